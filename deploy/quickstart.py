#!/usr/bin/python3
"""Runs Mailvane on this host: a collector, and an agent that watches it.

    ./quickstart            watches this host until Ctrl-C
    ./quickstart --demo     plays the story of a fleet of nine, in three minutes

Nothing is installed and nothing outside --directory is written: what you see
is gone with that folder.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "demo"))

AGENTS, OPERATOR, STATUS = 9471, 9470, 8080  # the programs' own defaults


def say(text=""):
    print(text, flush=True)


def free_port(wanted):
    """`wanted` if nobody has it, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise SystemExit("no free port on 127.0.0.1")


class Program:
    """One of ours, started again when it ends by itself."""

    def __init__(self, name, argv, log):
        self.name, self.argv, self.log = name, argv, log
        self.process = None
        self.started = 0.0
        self.failures = 0
        self.start()

    def start(self):
        self.started = time.monotonic()
        with open(self.log, "ab") as log:
            # Whatever becomes of us, it does not stay behind.
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *self.argv],
                                            stderr=log, stdout=log,
                                            stdin=subprocess.DEVNULL,
                                            start_new_session=True)

    def tend(self):
        """Starts it again if it has ended.  Three quick deaths are an error."""
        if self.process is None or self.process.poll() is None:
            return
        quick = time.monotonic() - self.started < 5
        self.failures = self.failures + 1 if quick else 0
        if self.failures >= 3:
            raise SystemExit(f"{self.name} does not stay up; its last words:\n{self.tail()}")
        say(f"{self.name} ended ({self.process.returncode}); starting it again")
        self.start()

    def stop(self, number=signal.SIGTERM):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def tail(self):
        lines = pathlib.Path(self.log).read_text(errors="replace").splitlines()
        return "\n".join("  " + line for line in lines[-5:])


class Installation:
    """A collector, and agents that report to it, below one folder."""

    def __init__(self, programs, directory, inventory, extra=""):
        self.programs = pathlib.Path(programs)
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ports = [free_port(port) for port in (AGENTS, OPERATOR, STATUS)]
        self.status_url = f"http://127.0.0.1:{self.ports[2]}/"
        self.operator_url = f"http://127.0.0.1:{self.ports[1]}"
        self.running = []
        config = self.write("collector.yaml", f"""\
agent_listen: 127.0.0.1:{self.ports[0]}
operator_listen: 127.0.0.1:{self.ports[1]}
status_listen: 127.0.0.1:{self.ports[2]}
database: {self.directory}/collector.db
inventory: {inventory}
{extra}""")
        self.collector = self.run("collector", "mailvane-collector", config)

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, name, program, config):
        started = Program(name, [str(self.programs / program), "--config", str(config)],
                          self.directory / f"{name}.log")
        self.running.append(started)
        return started

    def agent(self, system, extra=""):
        state = self.directory / system
        state.mkdir(exist_ok=True)
        config = self.write(f"{system}/agent.yaml", f"""\
collector: 127.0.0.1:{self.ports[0]}
id: {system}
state_directory: {state}
{extra}""")
        return self.run(system, "mailvane-agent", config)

    def get(self, path):
        """JSON from the operator's address; None while it cannot be had."""
        try:
            with urllib.request.urlopen(self.operator_url + path, timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError, urllib.error.URLError):
            return None

    def systems(self):
        answer = self.get("/api/v1/systems")
        return {} if answer is None else {one["id"]: one for one in answer["systems"]}

    def tend(self):
        for program in self.running:
            program.tend()

    def stop(self):
        # Agents first, so that they can say goodbye.
        for program in reversed(self.running):
            if program.process is not None and program.process.poll() is None:
                program.process.send_signal(signal.SIGTERM)
        for program in reversed(self.running):
            program.stop()


def report_found(system):
    """What the agent found here, as it told the collector."""
    measured = system["measurements"]
    host = measured["host"]
    programs = {one["name"]: one for one in host.get("programs", [])}
    for name in ("postfix", "exim", "dovecot"):
        found = programs.get(name)
        text = "not found" if not found else f"{name} {found['version'] or 'of unknown version'}"
        if found and found.get("running") is not None:
            text += ", running" if found["running"] else ", not running"
        say(f"  {name.capitalize():<10} {text}")
    for source in measured["sources"]:
        what = {"postfix_log": "Log file", "journal": "Journal",
                "postfix_queue": "Mail queue"}.get(source["source"], source["source"])
        state = source["detail"] or "readable"
        if source["unavailable"]:
            state = f"{source['unavailable'].replace('_', ' ')}: {source['detail']}"
        say(f"  {what:<10} {source['location']}: {state}")
    addresses = host.get("public_addresses") or []
    say(f"  Addresses  {', '.join(addresses) or 'none that are public'}")


def wait_for(installation, condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"gave up after {seconds} s: {what}\n"
                             f"{installation.collector.tail()}")
        installation.tend()
        time.sleep(0.2)


def watch_this_host(arguments):
    name = socket.gethostname().split(".")[0] or "this-host"
    directory = pathlib.Path(arguments.directory)
    directory.mkdir(parents=True, exist_ok=True)
    inventory = directory / "inventory.yaml"
    inventory.write_text(f"systems:\n  - id: {json.dumps(name)}\n    location: This host\n"
                         "    addresses: [127.0.0.1]\n")
    installation = Installation(arguments.programs, directory, inventory)
    try:
        installation.agent(name)
        wait_for(installation,
                 lambda: (installation.systems().get(name) or {}).get("measurements"),
                 "the table does not show this host")
        say("\nThis host is on the table.\n")
        say(f"  Status page  {installation.status_url}")
        say(f"  Metrics      {installation.operator_url}/metrics/agents")
        say(f"  Prometheus   {installation.operator_url}/api/v1/http_sd")
        say(f"  Logs, state  {directory}\n\nFound on {name}:")
        report_found(installation.systems()[name])
        say("\nCtrl-C stops both.")
        while not arguments.once:
            installation.tend()
            time.sleep(0.5)
    finally:
        installation.stop()


def main():
    # SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    parser = argparse.ArgumentParser(
        prog="./quickstart", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true", help="play the story of a fleet of nine")
    parser.add_argument("--once", action="store_true",
                        help="stop when all is shown, or when the story is over")
    parser.add_argument("--directory", help="where state and logs go")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.directory:
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        arguments.directory = os.path.join(state, "mailvane",
                                           "demo" if arguments.demo else "quickstart")
    try:
        if arguments.demo:
            import story
            story.play(arguments, Installation, say, wait_for)
        else:
            watch_this_host(arguments)
    except KeyboardInterrupt:
        say("\nStopped.")


if __name__ == "__main__":
    main()
