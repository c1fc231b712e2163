"""The story: nine systems, one outbreak week, told in three minutes.

A real collector and nine real agents.  What they see is played: logs that a
real Postfix wrote (recorded, with new dates), queues served as Postfix serves
them, and pings from a file.
"""

import datetime
import pathlib
import re
import shutil
import socket
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
RECORDED = HERE.parent.parent / "tests/testdata/logs/postfix_story.log"
INVENTORY = HERE / "inventory.yaml"

# Seconds between two heartbeats of the demo's agents: a fleet in a hurry.
HEARTBEAT, SNAPSHOT = 2, 4


class Recording:
    """Messages of a recorded log, by what became of them."""

    def __init__(self, path):
        by_id = {}
        for line in path.read_text().splitlines():
            # "Nov 23 20:52:50 nc027 postfix/smtp[39]: 97B3CA72208: to=…"
            head = re.match(r"\w+ +\d+ [\d:]+ \S+ (\S+?\[\d+\]: (\w+): .*)", line)
            if head:
                by_id.setdefault(head.group(2), []).append(head.group(1))
        self.messages = {"sent": [], "bounced": [], "deferred": []}
        for lines in by_id.values():
            fate = re.search(r"status=(\w+)", "\n".join(lines))
            if fate and fate.group(1) in self.messages:
                self.messages[fate.group(1)].append(lines)

    def message(self, fate, number):
        kept = self.messages[fate]
        return kept[number % len(kept)]


class PlayedServer:
    """One mail server: a log that is written, a queue that is served."""

    def __init__(self, system, directory, recording):
        self.system, self.recording = system, recording
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "mail.log"
        self.log.write_text("")
        self.queue_directory = directory / "spool"
        (self.queue_directory / "public").mkdir(parents=True)
        self.deferred = 2
        self.written = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.queue_directory / "public/showq"))
        self.listener.listen(4)
        threading.Thread(target=self.serve_queue, daemon=True).start()

    def write(self, fate, count=1):
        """Log lines of `count` messages with this fate, dated now."""
        with open(self.log, "a") as log:
            for _ in range(count):
                now = datetime.datetime.now(datetime.timezone.utc).isoformat()
                for line in self.recording.message(fate, self.written):
                    log.write(f"{now} {self.system.lower()} {line}\n")
                self.written += 1

    def serve_queue(self):
        """Answers as Postfix' showq does: pairs, each ended by NUL."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            answer = ["protocol", "mail_queue_list_protocol", ""]
            for number in range(self.deferred):
                answer += ["queue_name", "deferred", "queue_id", f"{number:010X}",
                           "time", str(int(time.time()) - 60 - number), "size", "4096",
                           "forced_expire", "0", "sender", "list@example.net",
                           "recipient", "friend@example.com", "reason", "", ""]
            with client:
                try:
                    client.sendall("\0".join([*answer, "", ""]).encode())
                except OSError:
                    pass


class Story:
    def __init__(self, arguments, installation_type, say, wait_for):
        self.say, self.wait_for = say, wait_for
        directory = pathlib.Path(arguments.directory)
        # Each telling begins at the beginning.
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.pings = directory / "pings.tsv"
        self.systems = re.findall(r"^  - id: (\S+)", INVENTORY.read_text(), re.M)
        self.unreachable = set()
        self.write_pings()
        recording = Recording(RECORDED)
        self.servers = {system: PlayedServer(system, directory / "played" / system, recording)
                        for system in self.systems}
        self.installation = installation_type(
            arguments.programs, directory, INVENTORY,
            f"status_page: {{title: Systems status (demonstration)}}\n"
            f"sessions: {{heartbeat_interval: {HEARTBEAT}s, snapshot_interval: {SNAPSHOT}s}}\n"
            f"ping: {{script: {self.pings}, interval: 2s}}\n"
            f"finding_shown: 40s\n")
        self.agents = {}
        self.shown = {}
        self.posts = set()
        self.begun = time.monotonic()

    def start_agent(self, system):
        server = self.servers[system]
        self.agents[system] = self.installation.agent(system, f"""\
log: {{source: file, file: {server.log}, start_at: beginning}}
postfix: {{queue_directory: {server.queue_directory}}}
ping: {{script: {self.pings}, interval: 2s}}
intervals: {{queue: 3s}}
blocklists: {{enabled: false}}
""")

    def write_pings(self):
        lines = [f"{system}\tfail" if system in self.unreachable
                 else f"{system}\t{8 + 7 * number % 90}"
                 for number, system in enumerate(self.systems)]
        fresh = self.pings.with_suffix(".new")
        fresh.write_text("\n".join([*lines, "collector\t12"]) + "\n")
        fresh.rename(self.pings)

    def tell(self, text):
        self.say(f"\n{time.monotonic() - self.begun:4.0f} s  {text}")

    def let_pass(self, seconds, **unusual):
        """Time in which mail flows; `unusual` is fate and rate by system."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for system, server in self.servers.items():
                fate, count = unusual.get(system, ("sent", 1))
                if system not in self.unreachable:
                    server.write(fate, count)
            self.installation.tend()
            self.show_changes()
            time.sleep(1)

    def show_changes(self):
        answer = self.installation.get("/api/v1/systems")
        if answer is None:
            return
        for system in answer["systems"]:
            if self.shown.get(system["id"]) != system["status"]:
                self.shown[system["id"]] = system["status"]
                why = f" – {system['health_why']}" if system["health_why"] else ""
                self.say(f"         table: {system['id']} {system['status']}{why}")
        for post in reversed(answer.get("posts", [])):
            if post["id"] not in self.posts:
                self.posts.add(post["id"])
                self.say(f"         post:  {post['title']} – {post['body']}")

    def play(self, once):
        installation = self.installation
        self.wait_for(installation, lambda: installation.systems(),
                      "the collector does not answer")
        self.say(f"\nStatus page   {installation.status_url}\n"
                 f"Metrics       {installation.operator_url}/metrics/agents\n"
                 "Open the page now and watch it while the week goes by.")
        self.tell("Monday.  Nine systems; eight in service, Seattle is being built.")
        for system in self.systems[:-1]:
            self.start_agent(system)
        self.let_pass(20)

        self.tell("Tuesday, 02:10.  A mailbox password is stolen at NC027: thousands of\n"
                  "        messages leave, the world refuses them, the queue grows.")
        self.servers["NC027"].deferred = 400
        self.let_pass(15, NC027=("bounced", 8))
        self.servers["NC027"].deferred = 2600
        self.let_pass(15, NC027=("bounced", 4))

        self.tell("Wednesday.  The password is changed.  The queue drains.")
        self.servers["NC027"].deferred = 90
        self.let_pass(15, NC027=("sent", 8))

        self.tell("Thursday, 05:01.  NC023 in Vancouver loses its power: no pings, no reports.")
        self.unreachable.add("NC023")
        self.write_pings()
        self.agents["NC023"].process.kill()
        self.agents["NC023"].process = None
        self.let_pass(25)

        self.tell("Thursday, 12:41.  Power is back.  What its log says of the time before is\n"
                  "        read to the end.")
        self.unreachable.discard("NC023")
        self.write_pings()
        self.agents["NC023"].start()
        self.let_pass(20)

        self.tell("Friday.  The collector itself is killed; the agents keep what they have to\n"
                  "        tell, and tell it when it is back.")
        installation.collector.process.kill()
        self.let_pass(20)

        self.tell("Sunday.  Seattle reports for the first time.")
        self.start_agent(self.systems[-1])
        self.servers["NC027"].deferred = 2
        self.let_pass(15)
        self.tell("The week is over." + ("" if once else "  Ctrl-C ends the demonstration."))
        while not once:
            self.let_pass(5)


def play(arguments, installation_type, say, wait_for):
    story = Story(arguments, installation_type, say, wait_for)
    try:
        story.play(arguments.once)
    finally:
        story.installation.stop()
