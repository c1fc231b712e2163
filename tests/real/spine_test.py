#!/usr/bin/python3
"""Mailvane's agent and collector against real servers: what Postfix, Prometheus
and Chromium say is compared with what they see.

    sudo tests/real/spine_test.py [Class[.test] …]

The last line is "N passed, N failed", and the exit status is 1 when any did.
"""

import socket
import sys
import time

import mailvane
from mailvane import TWO_INTERVALS, Agent, Collector, watch
from postfix import Postfix
from private_root import wait_until
from runner import RealTest, main
from smtp_sink import SmtpSink

SYSTEM = "NC027"


class SpineTest(RealTest):

    def collector(self, systems=(SYSTEM,), name="collector", **config):
        made = Collector(self.directory / name, systems, **config)
        return self.enterContext(made)

    def agent(self, collector, agent_id=SYSTEM, name="", **options):
        made = Agent(self.directory / (name or f"agent-{agent_id}"), agent_id,
                     collector, **options)
        return self.enterContext(made)

    def wait_for_measurements(self, collector, agent_id=SYSTEM, seconds=15):
        return wait_until(lambda: collector.measurements(agent_id),
                          f"measurements of {agent_id}", seconds)


class QueueTest(SpineTest):
    """The queue as Postfix' own tool counts it."""

    def depths(self, postfix):
        """queue → (messages, bytes), by postqueue."""
        counted = {}
        for message in postfix.queue():
            number, size = counted.get(message["queue_name"], (0, 0))
            counted[message["queue_name"]] = (
                number + 1, size + message["message_size"])
        return counted

    def shown(self, collector):
        """The same, in all three places; None when they do not agree."""
        metrics = collector.metrics(f"/agents/{SYSTEM}/metrics")
        by_metrics = {
            queue: (int(metrics.value("mailvane_queue_messages", queue=queue)),
                    int(metrics.value("mailvane_queue_bytes", queue=queue)))
            for queue in ("active", "incoming", "deferred", "hold", "maildrop")
            if metrics.value("mailvane_queue_messages", queue=queue)}
        queue = collector.measurements(SYSTEM).get("queue") or {}
        by_api = {one["queue"]: (one["messages"], one["bytes"])
                  for one in queue.get("depths", []) if one["messages"]}
        page = collector.page(f"/systems/{SYSTEM}")
        by_page = {row[0].lower(): int(row[1]) for row in page.rows
                   if len(row) == 4 and row[1].isdigit() and row[1] != "0"}
        if by_metrics != by_api or by_page != {
                name: number for name, (number, _) in by_api.items()}:
            return None
        return by_metrics

    def assert_shown(self, collector, postfix, what):
        began = time.monotonic()
        want = self.depths(postfix)
        last = None

        def agree():
            nonlocal last
            last = self.shown(collector)
            return last == want
        try:
            wait_until(agree, "agreement", TWO_INTERVALS)
        except mailvane.RootError:
            self.fail(f"{what}: postqueue says {want}, and we {last} "
                      f"after {TWO_INTERVALS} s")
        print(f"        {what}: {want} after "
              f"{time.monotonic() - began:.1f} s")

    def test_it_is_what_postqueue_says_after_each_change(self):
        collector = self.collector()
        with Postfix(self.directory / "postfix") as postfix:
            self.agent(collector, **watch(postfix))
            self.wait_for_measurements(collector)
            self.assert_shown(collector, postfix, "empty")
            ids = postfix.send("a@example.net", "b@example.com", 5)
            sent_at = time.time()
            ids += postfix.send("a@example.net", ["c@example.com",
                                                  "d@example.org"], 2,
                                body="A longer text. " * 700 + "\n")
            postfix.wait_for_queue(7)
            self.assert_shown(collector, postfix, "sent")
            metrics = collector.metrics()
            age = metrics.value("mailvane_queue_oldest_age_seconds",
                                queue="deferred")
            self.assertLess(abs(age - (time.time() - sent_at)),
                            TWO_INTERVALS + 2)
            self.assertIsNone(metrics.value("mailvane_queue_oldest_age_seconds",
                                            queue="active"))
            postfix.hold(ids[0])
            postfix.hold(ids[6])
            postfix.wait_for_queue(2, "hold")
            self.assert_shown(collector, postfix, "held")
            postfix.remove(ids[1])
            self.assert_shown(collector, postfix, "deleted")
            postfix.sink.default = "250 2.1.5 Ok"
            postfix.flush()
            wait_until(lambda: len(postfix.queue()) == 2, "the held ones only")
            self.assert_shown(collector, postfix, "flushed")
            postfix.release(ids[0])
            postfix.release(ids[6])
            postfix.flush()
            wait_until(lambda: not postfix.queue(), "an empty queue")
            self.assert_shown(collector, postfix, "released")
            metrics = collector.metrics()
            self.assertEqual(metrics.value("mailvane_queue_messages",
                                           queue="deferred"), 0)
            self.assertEqual(metrics.value("mailvane_queue_readable"), 1)

    def test_what_is_active_stands_under_active(self):
        collector = self.collector()
        # A server that is found and never speaks keeps a message active.
        with socket.create_server(("127.0.0.1", 0)) as silent:
            class Silent:
                host, port = silent.getsockname()
            with Postfix(self.directory / "postfix", relay=Silent) as postfix:
                self.agent(collector, **watch(postfix))
                postfix.send("a@example.net", "b@example.com", 2)
                postfix.wait_for_queue(2, "active")
                self.wait_for_measurements(collector)
                self.assert_shown(collector, postfix, "active")


if __name__ == "__main__":
    sys.exit(main())
