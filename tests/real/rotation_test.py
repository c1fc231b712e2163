#!/usr/bin/python3
"""The log under the agent's eyes is rotated by Debian's logrotate, in each of
the ways people configure, while a writer writes on and the agent is killed.

Each line is numbered, and leads to one stored event with its number: it says
that a syslog daemon dropped so many lines. Every number must be stored once."""

import collections
import pathlib
import sys
import threading
import time

import private_root
from mailvane import Agent, Collector
from private_root import Bind, wait_until
from runner import RealTest, main

# LossRecord: its fields, and two of its causes (proto/mailvane/v1/finding.proto).
CAUSE, LINES = 1, 8
TRUNCATED, RATE_LIMITED = 1, 7

LINES_PER_SECOND = 200
ROTATIONS = 6

HABITS = {
    "rename": "create",
    "packed_at_once": "create\ncompress",
    "packed_later": "create\ncompress\ndelaycompress",
    "by_date": "create\ncompress\ndateext\ndateformat -%Y%m%d-%s",
    "copytruncate": "copytruncate",
    "copytruncate_packed": "copytruncate\ncompress",
}


class Writer:
    """Appends numbered lines from entry to exit; `reopen()` as after a HUP."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.last = 0
        self._file = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self):
        self.reopen()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._file.close()

    def reopen(self):
        with self._lock:
            if self._file:
                self._file.close()
            self._file = open(self.path, "ab", buffering=0)

    def _write(self):
        while not self._stop.wait(1 / LINES_PER_SECOND):
            with self._lock:
                self.last += 1
                self._file.write(
                    b"2026-01-02T03:04:05Z nc027 rsyslogd: imuxsock[pid 8]: %d "
                    b"messages lost due to rate-limiting\n" % self.last)


class RotationTest(RealTest):

    def setUp(self):
        super().setUp()
        self.root = private_root.ensure("logrotate")
        self.logs = self.directory / "logs"
        self.logs.mkdir(mode=0o755)
        self.log = self.logs / "mail.log"
        self.log.touch()

    def rotate(self, habit: str):
        config = self.directory / "logrotate.conf"
        config.write_text(f"/srv/log/mail.log {{\nrotate 50\n{habit}\n}}\n")
        config.chmod(0o644)
        self.root.run(
            ["logrotate", "--force", "--state", "/srv/log/state", "/srv/conf"],
            binds=[Bind(self.logs, "/srv/log"),
                   Bind(config, "/srv/conf", writable=False)])

    def effects(self, collector) -> tuple:
        """Counter of the numbers that are stored; causes of the other losses."""
        numbers, others = collections.Counter(), []
        for event in collector.events("loss"):
            cause = event.fields[CAUSE][0]
            if cause == RATE_LIMITED:
                numbers[event.fields[LINES][0]] += 1
            else:
                others.append(cause)
        return numbers, others

    def check(self, habit: str):
        with Collector(self.directory / "collector", ["NC027"]) as collector, \
                Agent(self.directory / "agent", "NC027", collector,
                      log={"source": "file", "file": str(self.log),
                           "start_at": "beginning"}) as agent, \
                Writer(self.log) as writer:
            for turn in range(ROTATIONS):
                time.sleep(0.3)
                if turn in (2, 4):
                    agent.kill()
                self.rotate(habit)
                # As a daemon that is slow to hear its HUP.
                time.sleep(0.2)
                writer.reopen()
                if turn in (2, 5):
                    agent.kill()
                    agent.start()
            time.sleep(0.5)
            writer.__exit__()
            wait_until(lambda: writer.last in self.effects(collector)[0],
                       "the last line's effect")
            time.sleep(2)
            numbers, others = self.effects(collector)
            self.assertEqual([n for n, times in numbers.items() if times > 1],
                             [], "have several effects")
            missing = [n for n in range(1, writer.last + 1) if n not in numbers]
            if habit.startswith("copytruncate"):
                # What logrotate itself loses between copy and truncation.
                self.assertEqual(set(others) - {TRUNCATED}, set())
                self.assertLessEqual(len(others), ROTATIONS)
                self.assertLess(len(missing), writer.last / 20)
                if missing:
                    self.assertTrue(others)
            else:
                self.assertEqual(missing, [], "have no effect")
                self.assertEqual(others, [], "losses that were none")
            print(f"        {writer.last} lines, {len(missing)} missing, "
                  f"{len(others)} losses told", flush=True)


def _add(name: str, habit: str):
    setattr(RotationTest, f"test_{name}", lambda self: self.check(habit))


for _name, _habit in HABITS.items():
    _add(_name, _habit)

if __name__ == "__main__":
    sys.exit(main())
