// Reads one job, as JSON, from standard input, opens its page in Debian's
// Chromium, and prints what it saw there as JSON. The fields of both are
// described in ../browser.py.
'use strict';

const {chromium} = require('playwright-core');

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update',
  '--disable-sync',
  // Nothing but loopback has a name here.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, ' +
      'EXCLUDE 127.0.0.1',
];

async function main() {
  const job = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const milliseconds = job.timeout_seconds * 1000;
  const browser = await chromium.launch(
      {executablePath: '/usr/bin/chromium', args: FLAGS});
  try {
    const context = await browser.newContext({
      javaScriptEnabled: job.javascript,
      viewport: job.viewport,
      colorScheme: job.colour_scheme,
      timezoneId: 'UTC',
      locale: 'en-GB',
      // A request that a service worker makes would pass unseen.
      serviceWorkers: 'block',
    });
    context.setDefaultTimeout(milliseconds);
    const page = await context.newPage();
    const seen = {console_errors: [], requests: [], foreign_requests: []};
    watch(page, new URL(job.url).origin, seen);
    const response = await page.goto(job.url, {waitUntil: 'load'});
    for (const step of job.steps) await take(page, step);
    const result = {status: response.status(), url: page.url(),
                    ...await read(page, job), ...seen};
    result.accessible = await accessibleNodes(context, page);
    if (job.screenshot) {
      await page.screenshot(
          {path: job.screenshot, fullPage: job.full_page});
    }
    process.stdout.write(JSON.stringify(result) + '\n');
  } finally {
    await browser.close();
  }
}

function watch(page, origin, seen) {
  page.on('console', (message) => {
    if (message.type() === 'error') seen.console_errors.push(message.text());
  });
  page.on('pageerror', (error) => seen.console_errors.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    seen.requests.push(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== origin) {
      seen.foreign_requests.push(request.url());
    }
  });
}

async function take(page, [what, selector, value]) {  // selector: or a URL
  switch (what) {
    case 'click': return page.click(selector);
    case 'fill': return page.fill(selector, value);
    case 'press': return page.press(selector, value);
    case 'wait': return page.waitForSelector(selector);
    // Not by the page, which must not reach other origins.
    case 'tell': return (await fetch(selector)).text();
    case 'return': return page.evaluate(
        () => document.dispatchEvent(new Event('visibilitychange')));
    default:
      throw new Error(`step ${what}: click, fill, press, wait, tell, return`);
  }
}

// Works with the page's own scripts off as well: this is not one of them.
function read(page, job) {
  return page.evaluate((selectors) => {
    const text = (element) => element.innerText.trim();
    const found = {};
    for (const [name, selector] of Object.entries(selectors)) {
      found[name] = [...document.querySelectorAll(selector)].map(text);
    }
    return {
      title: document.title,
      text: text(document.body),
      language: document.documentElement.lang,
      tables: [...document.querySelectorAll('table')].map((table) =>
        [...table.rows].map((row) => [...row.cells].map(text))),
      width: document.documentElement.scrollWidth,
      found,
    };
  }, job.find);
}

// The accessibility tree as assistive technology gets it, flat and in order.
async function accessibleNodes(context, page) {
  const session = await context.newCDPSession(page);
  const {nodes} = await session.send('Accessibility.getFullAXTree');
  const byId = new Map(nodes.map((node) => [node.nodeId, node]));
  const list = [];
  const visit = (node, depth) => {
    if (!node) return;
    const role = node.role && node.role.value;
    const shown = !node.ignored && role !== 'InlineTextBox';
    if (shown) {
      const entry = {role, name: (node.name && node.name.value) || '', depth};
      for (const {name, value} of node.properties || []) {
        if (['level', 'expanded', 'checked', 'live'].includes(name)) {
          entry[name] = value.value;
        }
      }
      list.push(entry);
    }
    for (const id of node.childIds || []) {
      visit(byId.get(id), depth + (shown ? 1 : 0));
    }
  };
  visit(nodes[0], 0);
  return list;
}

main().catch((error) => {
  process.stderr.write(String(error.stack || error) + '\n');
  process.exitCode = 1;
});
