#!/usr/bin/python3
"""The queue as Mailvane tells it, beside what Postfix's and Exim's own tools say
of the same live queue.

    sudo tests/real/queue_test.py [Class[.test] …]

The last line is "N passed, N failed", and the exit status is 1 when any did.
"""

import collections
import json
import shutil
import subprocess
import sys
import threading
import time

import mailvane
from exim import USER as EXIM_USER
from exim import Exim
from mailvane import watch
from postfix import Postfix
from private_root import TIED, wait_until
from runner import RealTest, main
from smtp_sink import RefusedPort, SmtpSink
from spine_test import SpineTest

POSTDROP = 102
BUSY = "451 4.7.1 Greylisted, please try again in 5 minutes"
FULL = "452 4.2.2 The email account that you tried to reach is over quota"
SLOW = ("421 4.7.28 Our system has detected an unusual rate of unsolicited mail "
        "originating from your IP address")
# Names of two providers' servers, as far as the programs here can tell.
GOOGLE = "gmail-smtp-in.l.google.com"
MICROSOFT = "example-com.mail.protection.outlook.com"


class QueueTest(RealTest):

    def queue(self, spool, *words, as_user=None, groups=(), code=0):
        """`mailvane-agent queue --json`: its object."""
        program = mailvane.programs() / "mailvane-agent"
        command = [str(program), "queue", "--json", "--spool", str(spool),
                   *map(str, words)]
        if as_user is not None:
            copy = self.directory / "mailvane-agent"
            if not copy.exists():
                shutil.copy2(program, copy)
            self.directory.chmod(0o755)
            command = [*TIED, "--reuid", str(as_user), "--regid", str(as_user),
                       "--inh-caps=-all", *(["--groups", ",".join(map(str, groups))]
                                            if groups else ["--clear-groups"]),
                       "--", str(copy), *command[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                              check=False, cwd="/")
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def causes(self, answer):
        return collections.Counter({(one["provider"], one["reason"]): one["messages"]
                                    for one in answer["causes"]})


class PostfixQueueTest(QueueTest):

    def setUp(self):
        super().setUp()
        self.sink = self.enterContext(SmtpSink(
            {"full@*": FULL, "slow@*": SLOW}, default=BUSY))
        at = f"]:{self.sink.port}"
        self.postfix = self.enterContext(Postfix(
            self.directory / "postfix", relay=self.sink,
            hosts={GOOGLE: "127.0.0.1", MICROSOFT: "127.0.0.1"},
            transports={"gmail.example": f"smtp:[{GOOGLE}{at}",
                        "office.example": f"smtp:[{MICROSOFT}{at}"},
            settings={"virtual_alias_domains": "example.net",
                      "virtual_alias_maps":
                          "inline:{{fwd@example.net = someone@gmail.example}}"}))

    def fill(self):
        postfix = self.postfix
        postfix.send("a@example.com", "full@gmail.example", 3)
        postfix.send("a@example.com", "slow@office.example", 2,
                     body="x" * 5000 + "\n")
        postfix.send("a@example.com", "b@elsewhere.example")
        postfix.send("a@example.com", "fwd@example.net")
        postfix.wait_for_queue(7)

    def compare(self, answer, theirs):
        """Counts, sizes and ages, by queue."""
        count, size, oldest = (collections.Counter(), collections.Counter(), {})
        for one in theirs:
            name = one["queue_name"]
            count[name] += 1
            size[name] += one["message_size"]
            oldest[name] = min(oldest.get(name, 1 << 62), one["arrival_time"])
        ours = {one["queue"]: one for one in answer["queues"]}
        self.assertEqual({n: q["messages"] for n, q in ours.items()
                          if q["messages"]}, dict(count))
        self.assertEqual({n: q["bytes"] for n, q in ours.items() if q["bytes"]},
                         dict(size))
        for name, arrived in oldest.items():
            self.assertAlmostEqual(ours[name]["oldest_age_seconds"],
                                   time.time() - arrived, delta=3)
        self.assertEqual(answer["messages"], len(theirs))
        self.assertEqual(sum(one["messages"] for one in answer["causes"]),
                         len(theirs))

    EXPECTED = {("google", "mailbox_full"): 3, ("microsoft365", "rate_limited"): 2}

    def check_causes(self, answer):
        causes = self.causes(answer)
        for key, number in self.EXPECTED.items():
            self.assertEqual(causes[key], number, causes)
        self.assertEqual(causes["google", "greylisted"], 1, causes)

    def test_root_reads_the_files_and_agrees_with_postqueue(self):
        self.fill()
        ids = [one["queue_id"] for one in self.postfix.queue()]
        self.postfix.hold(ids[0])
        answer = self.queue(self.postfix.spool)
        self.assertEqual(answer["read_by"], "files")
        self.compare(answer, self.postfix.queue())
        self.postfix.release(ids[0])
        self.postfix.run("postsuper", "-r", "ALL")
        self.postfix.flush()
        self.postfix.wait_for_queue(7)
        answer = self.queue(self.postfix.spool)
        self.check_causes(answer)
        self.assertEqual(answer["forwarded"], 1)

    def test_a_member_of_postdrop_asks_the_socket_and_hears_the_same(self):
        self.fill()
        answer = self.queue(self.postfix.spool, as_user=4711, groups=[POSTDROP])
        self.assertEqual(answer["read_by"], "socket")
        self.compare(answer, self.postfix.queue())
        self.check_causes(answer)
        # The socket does not tell who was meant first; the log does.
        self.assertNotIn("forwarded", answer)
        answer = self.queue(self.postfix.spool, "--log", self.postfix.log_path,
                            as_user=4711, groups=[POSTDROP])
        self.assertEqual(answer["forwarded"], 1)

    def test_others_are_told_why_not(self):
        answer = self.queue(self.postfix.spool, as_user=4711, code=1)
        self.assertEqual(answer["unavailable"], "permission_denied")
        self.assertIn("showq", answer["detail"])
        self.assertNotIn("messages", answer)
        self.postfix.stop()
        answer = self.queue(self.postfix.spool, as_user=4711, groups=[POSTDROP],
                            code=1)
        self.assertIn("unavailable", answer)
        # The files are still there for root.
        self.assertEqual(self.queue(self.postfix.spool)["messages"], 0)

    def test_a_queue_that_changes_meanwhile_is_never_counted_twice(self):
        ids = self.postfix.send("a@example.com", "b@elsewhere.example", 200)
        self.postfix.wait_for_queue(200)
        stop = threading.Event()

        def churn():
            while not stop.is_set():
                self.postfix.run("postsuper", "-h", "ALL")
                self.postfix.run("postsuper", "-H", "ALL")
        worker = threading.Thread(target=churn)
        worker.start()
        try:
            for _ in range(10):
                answer = self.queue(self.postfix.spool)
                self.assertLessEqual(answer["messages"], len(ids))
        finally:
            stop.set()
            worker.join()
        wait_until(lambda: self.queue(self.postfix.spool)["messages"] == len(ids),
                   "all messages to be at rest")


class EximQueueTest(QueueTest):

    def exim(self, **settings):
        self.sink = self.enterContext(SmtpSink(
            {"full@*": FULL, "ok@*": "250 2.1.5 Ok"}, default=BUSY))
        refused = self.enterContext(RefusedPort())
        return self.enterContext(Exim(
            self.directory / "exim", relay=self.sink, settings=settings,
            hosts={"mta5.am0.yahoodns.net": "127.0.0.1"},
            routes={"gone.example":
                    f"mta5.am0.yahoodns.net::{refused.port} byname"}))

    def fill(self, exim):
        ids = exim.send("a@example.com", "b@elsewhere.example", 3,
                        body=("x" * 70 + "\n") * 70)
        ids += exim.send("a@example.com", ["ok@elsewhere.example",
                                           "full@elsewhere.example"])
        ids += exim.send("a@example.com", "b@gone.example", 2)
        exim.submit("a@example.com", "b@elsewhere.example", user="alice")
        exim.wait_for_queue(len(ids) + 1)
        # Else it says of most of them only that it is not time yet.
        exim.flush()
        exim.message("-Mf", ids[0])
        exim.message("-Mf", ids[1])
        return ids

    def compare(self, answer, exim):
        theirs = exim.queue()
        self.assertEqual(answer["messages"], exim.count())
        self.assertEqual(answer["messages"], len(theirs))
        ours = {one["queue"]: one["messages"] for one in answer["queues"]}
        self.assertEqual(ours["frozen"], sum(one.frozen for one in theirs))
        # `exim -bp` tells sizes under 10,000 to the byte, or in a tenth of K.
        size = sum(float(one.size.rstrip("K")) * (1024 if one.size.endswith("K")
                                                  else 1) for one in theirs)
        self.assertAlmostEqual(answer["bytes"], size, delta=60 * len(theirs))
        small = [one for one in theirs if not one.size.endswith(("K", "M"))]
        self.assertTrue(small)
        self.assertEqual(sum(one["messages"] for one in answer["causes"]),
                         len(theirs))

    def test_it_agrees_with_exim_in_both_layouts(self):
        # One after the other, in the same place.
        for split in ("false", "true"):
            with self.subTest(split_spool_directory=split):
                exim = self.exim(split_spool_directory=split)
                ids = self.fill(exim)
                answer = self.queue(exim.spool)
                self.compare(answer, exim)
                self.assertEqual(self.causes(answer)["yahoo", "network"], 2,
                                 answer["causes"])
                exim.message("-Mt", ids[0])
                exim.message("-Mrm", ids[2])
                self.compare(self.queue(exim.spool), exim)
                exim.stop()
                shutil.rmtree(exim.directory)

    def test_its_group_is_enough(self):
        exim = self.exim()
        self.fill(exim)
        answer = self.queue(exim.spool, as_user=4711, groups=[EXIM_USER])
        self.compare(answer, exim)
        answer = self.queue(exim.spool, as_user=4711, code=1)
        self.assertEqual(answer["unavailable"], "permission_denied")

    def test_sizes_are_exims_to_the_byte(self):
        exim = self.exim()
        exim.send("a@example.com", "b@elsewhere.example", 4, body="x" * 99 + "\n")
        theirs = exim.wait_for_queue(4)
        self.assertEqual(self.queue(exim.spool)["bytes"],
                         sum(int(one.size) for one in theirs))

    def test_a_queue_with_a_name_is_counted_too(self):
        exim = self.exim()
        exim.send("a@example.com", "b@elsewhere.example")
        exim.configure(settings={"acl_smtp_rcpt": "named"}, sections={
            "acl": "named:\n  warn queue = bulk\n  accept\n"})
        exim.send("a@example.com", "b@elsewhere.example", 3)
        wait_until(lambda: len(list(exim.spool.glob("bulk/input/*-H"))) == 3,
                   "three messages in bulk")
        self.assertEqual(exim.count(), 1)
        self.assertEqual(self.queue(exim.spool)["messages"], 1 + 3)


class ServiceTest(SpineTest):

    def test_exims_queue_reaches_the_metrics_and_the_page(self):
        collector = self.collector(["NC027"])
        with Exim(self.directory / "exim") as exim:
            self.agent(collector, postfix={
                "config_directory": str(self.directory / "none"),
                "queue_directory": ""},
                exim={"spool_directory": str(exim.spool)},
                log={"source": "file", "file": str(exim.log_path),
                     "start_at": "beginning"})
            ids = exim.send("a@example.net", "b@example.com", 3)
            exim.wait_for_queue(3)
            exim.message("-Mf", ids[0])

            def value(name, **labels):
                return collector.metrics().value(f"mailvane_queue_{name}",
                                                 **labels)
            wait_until(lambda: value("messages", queue="frozen") == 1 and
                       value("messages", queue="deferred") == 2,
                       "the queue in the metrics")
            self.assertEqual(sum(collector.metrics().values(
                "mailvane_queue_messages_by_cause")), 3)
            wait_until(lambda: "Why they wait" in
                       collector.page("/systems/NC027").text, "the page")


if __name__ == "__main__":
    sys.exit(main())
