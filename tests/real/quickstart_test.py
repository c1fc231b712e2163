#!/usr/bin/python3
"""The commands that a newcomer types: ./quickstart watches this host, heals what
ends, and leaves nothing behind; ./quickstart --demo tells its story.

    sudo tests/real/quickstart_test.py [Class[.test] …]

Runs in a network of its own, so that the programs' default ports are free.
The story takes three minutes and is told while the other tests run. The last
line is "N passed, N failed", and the exit status is 1 when any did.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import documentation_network
import mailvane
import private_root
from private_root import RootError, wait_until
from runner import RealTest, main

QUICKSTART = pathlib.Path(__file__).resolve().parents[2] / "deploy/quickstart.py"
DEFAULTS = (9471, 9470, 8080)


# The first process of a namespace: when it ends, all others in there do, so it
# stays until it was seen what is left of them.
INIT = """
import pathlib, subprocess, sys
code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
pathlib.Path(sys.argv[1]).write_text(str(code))
sys.stdin.read()
"""


class Quickstart:
    """deploy/quickstart.py below `directory`, with a home and processes of its
    own: nothing of it outlives this object, not even what it forgets."""

    def __init__(self, directory, *words):
        self.directory = pathlib.Path(directory).resolve()
        self.state = self.directory / "state"
        home = self.directory / "home"
        home.mkdir(parents=True)
        self.output = self.directory / "output"
        self.exit = self.directory / "exit"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*private_root.TIED, "unshare", "--pid", "--fork",
                 "--kill-child=KILL", "--mount-proc", "/usr/bin/python3", "-c",
                 INIT, str(self.exit), "/usr/bin/python3", str(QUICKSTART),
                 "--programs", str(mailvane.programs()),
                 "--directory", str(self.state), *words],
                stdin=subprocess.PIPE, stdout=output,
                stderr=subprocess.STDOUT, cwd=home, start_new_session=True,
                env={"PATH": "/usr/bin:/bin", "HOME": str(home),
                     "LANG": "C.UTF-8"})

    def said(self):
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern, seconds=60):
        try:
            return wait_until(
                lambda: re.search(pattern, self.said()) or
                (self.exit.exists() and "ended"), pattern, seconds)
        except RootError as error:
            raise RootError(f"{error}; it said\n{self.said()}") from None

    def wait(self, seconds=60):
        """Its exit status; what it left still runs then."""
        try:
            return int(wait_until(
                lambda: self.exit.exists() and self.exit.read_text(),
                "quickstart to end", seconds))
        except RootError as error:
            raise RootError(f"{error}; it said\n{self.said()}") from None

    def programs(self):
        """name → id of a process with a configuration of ours."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().decode(errors="replace").split("\0")
                if "mailvane-" in words[0] and any(
                        word.startswith(str(self.state)) for word in words):
                    found[pathlib.Path(words[0]).name] = int(path.parts[2])
        return found

    def interrupt(self, number=signal.SIGINT):
        """As Ctrl-C, which reaches the terminal's processes: quickstart."""
        init, = children(self.process.pid)
        quickstart, = [child for child in children(init) if str(QUICKSTART) in
                       pathlib.Path(f"/proc/{child}/cmdline").read_text()]
        os.kill(quickstart, number)

    def ports(self):
        """Of the collector: agents, operator, status."""
        config = (self.state / "collector.yaml").read_text()
        return tuple(int(port) for port in re.findall(
            r"_listen: 127\.0\.0\.1:(\d+)", config))

    def systems(self):
        with contextlib.suppress(OSError, ValueError):
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{self.ports()[1]}"
                             "/api/v1/systems", timeout=5) as answer:
                return json.load(answer)["systems"]
        return []

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def children(process):
    return [int(one) for one in pathlib.Path(
        f"/proc/{process}/task/{process}/children").read_text().split()]


demo = None


def setUpModule():
    """Begins the story, unless only other tests are wanted."""
    global demo
    chosen = [word for word in sys.argv[1:] if not word.startswith("-")]
    if chosen and not any("Story" in word for word in chosen):
        return
    keep = tempfile.TemporaryDirectory(prefix="mailvane-")
    demo = Quickstart(pathlib.Path(keep.name) / "demo", "--demo", "--once")
    unittest.addModuleCleanup(keep.cleanup)
    unittest.addModuleCleanup(demo.close)
    # It has its ports: whoever comes now gets others.
    demo.wait_for("Status page")


class QuickstartTest(RealTest):

    def quickstart(self, *words, name="run"):
        made = Quickstart(self.directory / name, *words)
        self.addCleanup(made.close)
        return made

    def test_once_says_what_was_found_and_leaves_nothing(self):
        with contextlib.ExitStack() as stack:
            # Whoever has the defaults already keeps them.
            for port in DEFAULTS:
                with contextlib.suppress(OSError):
                    stack.enter_context(
                        socket.create_server(("127.0.0.1", port)))
            run = self.quickstart("--once")
            self.assertEqual(run.wait(), 0, run.said())
            for port in run.ports():
                self.assertNotIn(port, DEFAULTS)
        said = run.said()
        host = socket.gethostname().split(".")[0]
        self.assertIn("This host is on the table.", said)
        self.assertIn(f"Found on {host}:", said)
        for pattern in (rf"Status page  http://127\.0\.0\.1:{run.ports()[2]}/",
                        rf"Metrics      http://127\.0\.0\.1:{run.ports()[1]}"
                        "/metrics/agents",
                        rf"Logs, state  {run.state}",
                        r"  Postfix    \S", r"  Exim       \S",
                        r"  Dovecot    \S", r"  Addresses  \S"):
            self.assertRegex(said, pattern)
        self.assertEqual(run.programs(), {})
        # Nothing outside of --directory.
        self.assertEqual(list((run.directory / "home").iterdir()), [])

    def test_what_ends_is_started_again_and_ctrl_c_stops_all(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal.Signals(number).name):
                run = self.quickstart(name=signal.Signals(number).name)
                run.wait_for("Ctrl-C stops both")
                before = run.programs()
                self.assertEqual(sorted(before), ["mailvane-agent",
                                                  "mailvane-collector"])
                for program in before if number == signal.SIGINT else ():
                    os.kill(before[program], signal.SIGKILL)
                    wait_until(lambda: run.programs().get(
                        program, before[program]) != before[program], program)
                    wait_until(lambda: [
                        one for one in run.systems()
                        if one["agent"]["connected"] and one["measurements"]],
                               f"the table after {program} was killed", 60)
                self.assertEqual(run.said().count("starting it again"),
                                 2 if number == signal.SIGINT else 0)
                run.interrupt(number)
                self.assertEqual(run.wait(15), 0, run.said())
                self.assertIn("Stopped.", run.said())
                self.assertNotIn("Traceback", run.said())
                self.assertEqual(run.programs(), {})

    def test_three_quick_deaths_are_an_error(self):
        # No SQLite can open a folder.
        (self.directory / "run/state/collector.db").mkdir(parents=True)
        run = self.quickstart()
        self.assertEqual(run.wait(), 1, run.said())
        self.assertIn("collector does not stay up; its last words:",
                      run.said())
        self.assertIn("collector.db", run.said())
        self.assertEqual(run.said().count("starting it again"), 2)
        self.assertNotIn("Traceback", run.said())
        self.assertEqual(run.programs(), {})


class StoryTest(RealTest):
    """What the demonstration shows, in its order."""

    STORY = (
        r"Monday\.",
        r"table: NC018 Operational",
        r"table: NC033 Internal",
        r"Tuesday, 02:10\.",
        r"table: NC027 Degraded – A large provider refuses our mail\.",
        r"post:  NC027: Degraded",
        r"Wednesday\.",
        r"table: NC027 Operational",
        r"post:  NC027: Resolved",
        r"Thursday, 05:01\.",
        r"table: NC023 Major outage – Does not answer\.",
        r"post:  NC023: Major outage",
        r"Thursday, 12:41\.",
        r"table: NC023 Operational",
        r"post:  NC023: Resolved",
        r"Friday\.",
        r"collector ended \(-9\); starting it again",
        r"Sunday\.",
        r"The week is over\.",
    )

    def test_the_table_changes_and_the_posts_come_in_order(self):
        self.assertEqual(demo.wait(240), 0, demo.said())
        said = demo.said()
        at = 0
        for pattern in self.STORY:
            found = re.compile(pattern).search(said, at)
            self.assertIsNotNone(found, f"{pattern} in what follows\n"
                                 f"{said[at:]}")
            at = found.end()
        self.assertEqual(demo.programs(), {})
        self.assertNotIn("Traceback", said)


if __name__ == "__main__":
    documentation_network.enter()
    sys.exit(main())
