#!/usr/bin/python3
"""Starts each of the real servers once and looks whether it is one.

    sudo tests/real/self_test.py [Class[.test] …]

The last line is "N passed, N failed", and the exit status is 1 when any did.
"""

import contextlib
import gzip
import http.server
import imaplib
import os
import pathlib
import poplib
import signal
import smtplib
import socket
import subprocess
import sys
import threading

import private_root
from browser import Browser
from dovecot import Dovecot
from exim import Exim
from journal import Journal
from postfix import Postfix
from private_root import Bind, RootError, wait_until
from prometheus import Prometheus
from runner import RealTest, main
from smtp_sink import RefusedPort, SmtpSink

HERE = pathlib.Path(__file__).resolve().parent


class PrivateRootTest(RealTest):

    def setUp(self):
        super().setUp()
        self.root = private_root.ensure("postfix")

    def shell(self, script, **options):
        return self.root.run(["/bin/sh", "-c", script], **options)

    def test_it_is_read_only_and_scratch_is_not_kept(self):
        self.assertNotEqual(
            self.shell("touch /etc/new", check=False).returncode, 0)
        self.shell("touch /tmp/new /run/new /srv/new")
        self.assertEqual(self.shell("ls /tmp /run/new /srv 2>/dev/null",
                                    check=False).stdout.split(),
                         ["/srv:", "/tmp:"])

    def test_only_a_writable_bind_reaches_the_host(self):
        binds = [Bind(self.directory, "/srv/a"),
                 Bind(self.directory, "/srv/b", writable=False)]
        self.shell("echo yes >/srv/a/file", binds=binds)
        self.assertEqual((self.directory / "file").read_text(), "yes\n")
        done = self.shell("echo no >/srv/b/file", binds=binds, check=False)
        self.assertIn("Read-only", done.stderr)

    def test_mounts_do_not_leak_to_the_host(self):
        mounts = pathlib.Path("/proc/self/mounts")
        before = mounts.read_text()
        with self.root.start(["sleep", "100"]) as process:
            self.assertTrue(process.running())
            self.assertEqual(mounts.read_text(), before)
        self.assertEqual(mounts.read_text(), before)

    def test_a_network_of_its_own_has_loopback_and_nothing_of_ours(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = f"{server.getsockname()[1]:04X}"
            look = "cat /proc/net/tcp"
            self.assertIn(f":{port} ", self.shell(look).stdout)
            self.assertNotIn(f":{port} ",
                             self.shell(look, own_network=True).stdout)

    def test_a_failure_says_what_and_why(self):
        with self.assertRaisesRegex(RootError, "run false: exit status 1"):
            self.root.run(["false"])
        with self.assertRaisesRegex(RootError, "sleep 100.*not done after"):
            self.root.run(["sleep", "100"], timeout=0.2)
        with self.assertRaisesRegex(RootError, "nosuch: unknown; there are"):
            private_root.ensure("nosuch")

    def test_nothing_survives_a_test_that_is_killed(self):
        script = ("import private_root, sys\n"
                  "inside = private_root.ensure('postfix').start("
                  "['sh', '-c', 'sleep 1000 & sleep 1000 & wait'])\n"
                  "print(inside.pid, flush=True)\n"
                  "sys.stdin.read()\n")
        with subprocess.Popen([sys.executable, "-c", script], cwd=HERE,
                              stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as victim:
            pid = int(victim.stdout.readline())
            handle = os.pidfd_open(pid)
            self.addCleanup(os.close, handle)
            self.addCleanup(_end, handle)  # what should have ended by itself
            space = os.readlink(f"/proc/{pid}/ns/pid")
            wait_until(lambda: len(_in_namespace(space)) == 3, "two sleeps")
            victim.kill()
        wait_until(lambda: not _in_namespace(space), "the end of them")


def _end(handle):
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)


def _in_namespace(space):
    found = []
    for link in pathlib.Path("/proc").glob("[0-9]*/ns/pid"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == space:
                found.append(link.parts[2])
    return found


class BuildTest(RealTest):
    """Building anew would take minutes, so only the ways in which it fails."""

    def setUp(self):
        super().setUp()
        before = os.environ.get("MAILVANE_CACHE")
        os.environ["MAILVANE_CACHE"] = str(self.directory)
        private_root.RECIPES["broken"] = private_root.Recipe(("no-such-deb",))

        def restore():
            del private_root.RECIPES["broken"]
            os.environ.pop("MAILVANE_CACHE")
            if before is not None:
                os.environ["MAILVANE_CACHE"] = before
        self.addCleanup(restore)

    def test_a_failed_build_leaves_nothing_and_says_what_to_do(self):
        with self.assertRaisesRegex(
                RootError, "(?s)build private root broken from no-such-deb: "
                "apt-get failed:.*Unable to locate.*run apt-get update"):
            private_root.ensure("broken")
        self.assertEqual(list((self.directory / "roots").glob("*broken-*")),
                         [])

    def test_what_an_interrupted_build_left_is_cleared_away(self):
        leftover = self.directory / "roots/.broken-0123456789ab.building/usr"
        leftover.mkdir(parents=True)
        with self.assertRaises(RootError):
            private_root.ensure("broken")
        self.assertFalse(leftover.parent.exists())


class SmtpSinkTest(RealTest):

    def test_replies_are_exact_and_counted(self):
        replies = {"full@*": "452 4.2.2 full", "lines@*": "550 one\n550 two",
                   "drop@*": None}
        with SmtpSink(replies, after_data={"spam@*": "554 5.7.1 spam"}) as sink:
            with smtplib.SMTP(sink.host, sink.port, "client.example") as client:
                client.ehlo()
                client.mail("a@example.net")
                self.assertEqual(client.rcpt("full@example.com"),
                                 (452, b"4.2.2 full"))
                self.assertEqual(client.rcpt("lines@example.com"),
                                 (550, b"one\ntwo"))
                self.assertEqual(client.rcpt("spam@example.com")[0], 250)
                self.assertEqual(client.data(b"x\r\n"), (554, b"5.7.1 spam"))
                client.sendmail("a@example.net", "ok@example.com",
                                b"Subject: x\r\n\r\n.dot\r\n")
                client.mail("a@example.net")
                with self.assertRaises(smtplib.SMTPServerDisconnected):
                    client.rcpt("drop@example.com")
            message, = sink.wait_for_messages(1)
            self.assertEqual(message.recipients, ("ok@example.com",))
            self.assertEqual(message.data, b"Subject: x\r\n\r\n.dot\r\n")
            self.assertEqual(sink.counts["452 4.2.2 full"], 1)
            self.assertEqual(sink.counts["hung up"], 1)

    def test_a_refused_port_refuses(self):
        with RefusedPort() as refused:
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection((refused.host, refused.port), 5)


class PostfixTest(RealTest):

    def test_mail_defers_is_held_and_leaves(self):
        with Postfix(self.directory) as postfix:
            ids = postfix.send("a@example.net", "b@example.com", 3)
            queue = postfix.wait_for_queue(3)
            self.assertEqual(sorted(m["queue_id"] for m in queue), sorted(ids))
            self.assertIn("451 4.7.1",
                          queue[0]["recipients"][0]["delay_reason"])
            postfix.hold(ids[0])
            postfix.wait_for_queue(1, "hold")
            postfix.stop()
            self.assertEqual(len(postfix.queue()), 3)
            postfix.start()
            postfix.sink.default = "250 2.1.5 Ok"
            postfix.flush()
            postfix.wait_for_queue(0)
            postfix.release(ids[0])
            postfix.flush()
            postfix.submit("c@example.net", "d@example.com")
            postfix.sink.wait_for_messages(4)
            postfix.wait_for_log("status=sent", 4)

    def test_showq_answers_on_the_host(self):
        with Postfix(self.directory) as postfix:
            postfix.send("a@example.net", "b@example.com")
            postfix.wait_for_queue(1)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(postfix.spool / "public/showq"))
                answer = client.makefile("rb").read()
            self.assertTrue(answer.startswith(
                b"protocol\0mail_queue_list_protocol\0\0"
                b"queue_name\0deferred\0queue_id\0"), answer)
            self.assertTrue(answer.endswith(b"\0\0\0"), answer)

    def test_recipients_get_different_answers(self):
        replies = {"later@*": "451 4.2.1 later", "never@*": "550 5.1.1 never"}
        with SmtpSink(replies) as sink, \
                Postfix(self.directory, relay=sink) as postfix:
            postfix.send("a@example.net", [
                "ok@example.com", "later@example.com", "never@example.com"])
            for status in ("sent", "deferred", "bounced"):
                postfix.wait_for_log(rf"to=<\w+@example.com>.*status={status}")
            # The bounce goes back to the sender.
            postfix.wait_for_log("to=<a@example.net>.*status=sent")

    def test_a_refused_connection_defers(self):
        with RefusedPort() as refused, \
                Postfix(self.directory, relay=refused) as postfix:
            postfix.send("a@example.net", "b@example.com")
            postfix.wait_for_log("status=deferred.*Connection refused")

    def test_the_log_rotates_in_three_ways(self):
        with Postfix(self.directory) as postfix:
            for how in ("copytruncate", "rename", "postfix"):
                with self.subTest(how):
                    queue_id, = postfix.send("a@example.net", "b@example.com")
                    line = f"{queue_id}: to="
                    postfix.wait_for_log(line)
                    inode = postfix.log_path.stat().st_ino
                    old = postfix.rotate(how)
                    data = old.read_bytes()
                    if old.suffix == ".gz":
                        data = gzip.decompress(data)
                    self.assertIn(line, data.decode())
                    later, = postfix.send("a@example.net", "b@example.com")
                    postfix.wait_for_log(f"{later}: to=")
                    self.assertFalse(
                        [l for l in postfix.log_lines() if line in l])
                    if how == "postfix":
                        # gzip removes the old file before the new one is
                        # made, which may get its inode number.
                        continue
                    self.assertEqual(
                        postfix.log_path.stat().st_ino == inode,
                        how == "copytruncate")

    def test_a_port_that_is_taken_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken = server.getsockname()[1]
            ports = iter([taken])
            free = private_root.free_port
            private_root.free_port = lambda *a: next(ports, None) or free(*a)
            try:
                with Postfix(self.directory) as postfix:
                    self.assertNotEqual(postfix.port, taken)
                    postfix.send("a@example.net", "b@example.com")
            finally:
                private_root.free_port = free


class EximTest(RealTest):

    def test_mail_defers_is_frozen_and_leaves(self):
        with Exim(self.directory) as exim:
            ids = exim.send("a@example.net", "b@example.com", 2)
            ids += exim.send("a@example.net", ["ok@example.com",
                                               "late@example.com"])
            queue = exim.wait_for_queue(3)
            self.assertEqual(sorted(m.id for m in queue), sorted(ids))
            self.assertEqual(exim.count(), 3)
            exim.message("-Mf", ids[0])
            self.assertEqual([m.id for m in exim.queue() if m.frozen],
                             ids[:1])
            exim.stop()
            self.assertEqual(exim.count(), 3)
            exim.start()
            exim.sink.default = "250 2.1.5 Ok"
            exim.sink.replies["late@*"] = "451 4.2.1 later"
            exim.flush()
            frozen, half = exim.wait_for_queue(2)
            self.assertTrue(frozen.frozen)
            self.assertEqual(half.delivered, ["ok@example.com"])
            self.assertEqual(half.waiting, ["late@example.com"])
            exim.message("-Mrm", half.id)
            exim.message("-Mt", frozen.id)
            exim.flush()
            exim.wait_for_queue(0)
            exim.wait_for_log(f"{ids[0]} Completed")

    def test_local_users_and_split_spools(self):
        with Exim(self.directory,
                  settings={"split_spool_directory": "true"}) as exim:
            # Whose words about the sender are not taken.
            exim.submit("ceo@example.net", "b@example.com", user="alice")
            message, = exim.wait_for_queue(1)
            exim.wait_for_log(f"{message.id} <= alice@nc027.example.net U=alice ")
            self.assertTrue((exim.spool / "input" / message.id[5] /
                             f"{message.id}-H").exists())


class DovecotTest(RealTest):

    def test_three_services_let_in_and_turn_away(self):
        with SmtpSink() as sink, Dovecot(self.directory, relay=sink) as dovecot:
            ports = dovecot.ports
            imap = imaplib.IMAP4(dovecot.host, ports["imap"])
            with self.assertRaises(imaplib.IMAP4.error):
                imap.login("alice@example.net", "wrong")
            imap.login("alice@example.net", "cheshire")
            imap.logout()
            pop3 = poplib.POP3(dovecot.host, ports["pop3"])
            pop3.user("bob@example.net")
            pop3.pass_("builder")
            pop3.quit()
            with smtplib.SMTP(dovecot.host, ports["submission"]) as client:
                client.login("bob@example.net", "builder")
                client.sendmail("bob@example.net", ["x@example.com"],
                                "Subject: x\n\nx\n")
            sink.wait_for_messages(1)
            for service in ("imap", "pop3", "submission"):
                dovecot.wait_for_log(f"nc027 dovecot: {service}-login: Login:")
            dovecot.wait_for_log("alice@example.net.*Password mismatch")


METRICS = """\
# HELP mailvane_queue_messages Messages in a queue.
# TYPE mailvane_queue_messages gauge
mailvane_queue_messages{queue="deferred"} 7
"""


class PrometheusTest(RealTest):

    def test_it_scrapes_and_answers(self):
        with _serve({"/metrics": ("text/plain; version=0.0.4", METRICS)}) as at:
            config = ("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                      "scrape_configs:\n- job_name: mailvane\n"
                      f"  static_configs: [{{targets: ['{at}']}}]\n")
            with Prometheus(self.directory, config) as prometheus:
                found, = prometheus.wait_for("mailvane_queue_messages")
                self.assertEqual(found["value"][1], "7")
                self.assertEqual(found["metric"]["queue"], "deferred")
                target, = prometheus.targets()
                self.assertEqual(target["health"], "up")
                with self.assertRaisesRegex(RootError, "parse error"):
                    prometheus.query("up{")
                with self.assertRaisesRegex(RootError, "nonsense"):
                    prometheus.reload("nonsense: 1")

    def test_promtool_judges(self):
        rule = ("groups: [{name: g, rules: [{alert: Down, expr: 'up == 0', "
                "for: 1m}]}]\n")
        test = ("rule_files: [rules.yml]\ntests:\n- interval: 1m\n"
                "  input_series: [{series: up, values: '0 0 0'}]\n"
                "  alert_rule_test:\n  - {eval_time: 2m, alertname: Down, "
                "exp_alerts: [{exp_labels: {}}]}\n")
        prometheus = Prometheus(
            self.directory, "rule_files: [rules.yml]\n",
            files={"rules.yml": rule, "good.yml": test,
                   "bad.yml": test.replace("0 0 0", "1 1 1")})
        self.assertEqual(prometheus.check_config(), "")
        self.assertIn("nonsense", prometheus.check_config("nonsense: 1"))
        self.assertEqual(prometheus.check_metrics(METRICS), "")
        self.assertIn("no help text", prometheus.check_metrics("x 1\n"))
        self.assertIn("parsing error", prometheus.check_metrics("x{ 1\n"))
        self.assertEqual(prometheus.test_rules("good.yml"), "")
        self.assertIn("FAILED", prometheus.test_rules("bad.yml"))


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<title>Systems at a Glance</title><link rel="icon" href="data:,">
<style>body { background: white } td, th { padding: 4px 12px }
@media (prefers-color-scheme: dark) { body { background: black; color: white } }
</style><h1>Systems</h1>
<table><tr><th>Loc.<th>System<th>Ping
<tr><td>Chicago<td>NC027<td><span role="img" aria-label="Up">✔</span></table>
<input id="q"><button onclick="h.textContent = q.value">Find</button>
<p id="h">nothing yet</p><p id="scheme">light</p>
<script>if (matchMedia('(prefers-color-scheme: dark)').matches)
  document.getElementById('scheme').textContent = 'dark';
console.error('on purpose');
new Image().src = 'https://cdn.example.com/pixel.png';</script>
"""


class BrowserTest(RealTest):

    def test_it_renders_a_page_and_tells_what_is_there(self):
        browser = Browser(self.directory)
        with _serve({"/": ("text/html", PAGE)}) as at:
            page = browser.open(
                f"http://{at}/", screenshot="page.png", colour_scheme="dark",
                steps=[("fill", "#q", "found"), ("click", "button")],
                find={"answer": "#h", "scheme": "#scheme"})
            self.assertEqual(page["status"], 200)
            self.assertEqual(page["title"], "Systems at a Glance")
            self.assertEqual(page["language"], "en")
            self.assertEqual(page["tables"], [[["Loc.", "System", "Ping"],
                                               ["Chicago", "NC027", "✔"]]])
            self.assertEqual(page["accessible_rows"],
                             [["Loc.", "System", "Ping"],
                              ["Chicago", "NC027", "Up"]])
            self.assertEqual(page["found"],
                             {"answer": ["found"], "scheme": ["dark"]})
            self.assertIn("on purpose", page["console_errors"])
            self.assertEqual(page["foreign_requests"],
                             ["https://cdn.example.com/pixel.png"])
            png = (self.directory / "page.png").read_bytes()
            self.assertTrue(png.startswith(b"\x89PNG"))
            self.assertEqual(int.from_bytes(png[16:20], "big"), 1280)

            page = browser.open(f"http://{at}/", javascript=False,
                                viewport=(400, 700), find={"answer": "#h"})
            self.assertEqual(page["found"]["answer"], ["nothing yet"])
            self.assertEqual(page["foreign_requests"], [])
            self.assertLessEqual(page["width"], 400)

    def test_a_page_that_is_not_there_is_an_error(self):
        with RefusedPort() as refused:
            with self.assertRaisesRegex(RootError, "ERR_CONNECTION_REFUSED"):
                Browser(self.directory).open(
                    f"http://{refused.host}:{refused.port}/")


class JournalTest(RealTest):

    def test_entries_are_written_appended_rotated_and_vacuumed(self):
        journal = Journal(self.directory)
        journal.append([{"time": 1764000000.25 + n, "pid": 7,
                         "identifier": "postfix/smtpd",
                         "unit": "postfix@-.service",
                         "message": f"connect {n}"} for n in range(3)])
        journal.append([{"time": 1764000010, "identifier": "x",
                         "message": b"caf\xe9\nau lait"}])
        first, *_, last = entries = journal.read()
        self.assertEqual(len(entries), 4)
        self.assertEqual(first["MESSAGE"], "connect 0")
        self.assertEqual(first["_PID"], "7")
        self.assertEqual(first["_SYSTEMD_UNIT"], "postfix@-.service")
        self.assertEqual(first["__REALTIME_TIMESTAMP"], "1764000000250000")
        self.assertEqual(bytes(last["MESSAGE"]), b"caf\xe9\nau lait")

        archived = journal.rotate()
        journal.append([{"time": 1764000020, "identifier": "x",
                         "message": "in the second file"}])
        self.assertEqual(journal.files(), [journal.active, archived])
        self.assertEqual(len(journal.read()), 5)
        journal.verify()
        journal.vacuum(files=1)
        self.assertEqual(journal.files(), [journal.active])
        self.assertEqual([entry["MESSAGE"] for entry in journal.read()],
                         ["in the second file"])


@contextlib.contextmanager
def _serve(pages):
    """An HTTP server for {path: (type, text)}; yields host:port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind, text = pages.get(self.path, (None, ""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
