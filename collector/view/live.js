// Keeps an open page fresh: once a minute, while it is looked at, takes the parts
// that changed from a new copy.  Without this script the page is complete as well.
"use strict";
const parts = ["summary", "systems", "history", "posts", "made"];
async function refresh() {
  if (document.hidden) return;
  try {
    const reply = await fetch(location.href, {cache: "no-cache"});
    if (!reply.ok) return;
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    for (const id of parts) {
      const old = document.getElementById(id), now = fresh.getElementById(id);
      // What the reader is at stays under the cursor.
      if (!old || !now || old.contains(document.activeElement)) continue;
      if (old.innerHTML !== now.innerHTML) old.innerHTML = now.innerHTML;
    }
  } catch (error) {
    // Not reachable now: the page says when it was made.
  }
}
setInterval(refresh, 60000);
document.addEventListener("visibilitychange", refresh);
