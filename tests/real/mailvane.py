"""Mailvane's own programs, as processes of a test: real files, real sockets, on
ports that were free.

    with Collector(tmp / "collector", ["NC027"]) as collector, \\
            Agent(tmp / "agent", "NC027", collector) as agent:
        wait_until(lambda: collector.connected("NC027"), "the agent")

The programs are those in $MAILVANE_PROGRAMS, else in the cache where ./test
and ./quickstart leave them.
"""

import collections
import html.parser
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from typing import Mapping, NamedTuple, Optional, Sequence

import private_root
from private_root import RootError, wait_until

# A fleet in a hurry: what takes minutes by default takes seconds.
HEARTBEAT, SNAPSHOT, QUEUE, PING = 1, 2, 1, 1
# What a change of the queue may take until it is on the page: twice the two
# pauses it may just have missed.
TWO_INTERVALS = 2 * (QUEUE + SNAPSHOT)


def programs() -> pathlib.Path:
    return pathlib.Path(os.environ.get("MAILVANE_PROGRAMS") or
                        private_root.cache_directory() / "bin")


def run(program: str, *words: str) -> subprocess.CompletedProcess:
    """One of the programs to its end, with text on both streams."""
    return subprocess.run([str(programs() / program), *words], text=True,
                          capture_output=True, timeout=30, check=False)


class _Program:
    """A process with its configuration, its state and its log (`log_path`) in
    one directory. It ends with the thread that started it."""

    program = ""

    def __init__(self, directory: os.PathLike):
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_path = self.directory / "config.yaml"
        self.log_path = self.directory / "program.log"
        self.process = None
        self._wrapper = [*private_root.TIED, "--"]

    def _launch(self) -> None:
        with open(self.log_path, "ab") as output:
            self.process = subprocess.Popen(
                [*self._wrapper, str(self._executable()), "--config",
                 str(self.config_path)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def _executable(self) -> pathlib.Path:
        return programs() / self.program

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def term(self, number: int = signal.SIGTERM) -> None:
        """Sends a signal, and does not wait."""
        self.process.send_signal(number)

    def stop(self, seconds: float = 10) -> int:
        """Asks it to stop; its exit status. RootError when it does not."""
        if self.process is None:
            return 0
        if self.running():
            self.term()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise RootError(f"stop {self.program}: still there after "
                            f"{seconds:g} s: {self.last_words()}") from error

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, pattern: str, number: int = 1,
                     seconds: float = 30) -> list:
        """Matches of `pattern` in the log, once there are `number`."""
        def there():
            found = list(re.finditer(pattern, self.log()))
            return found if len(found) >= number else None
        try:
            return wait_until(there, f"{pattern!r} in {self.log_path}", seconds)
        except RootError as error:
            raise RootError(f"{error}; its last words are\n"
                            f"{self.last_words()}") from None

    def last_words(self) -> str:
        return "\n".join(self.log().splitlines()[-15:])

    def resident_bytes(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))

    def cpu_seconds(self) -> float:
        """Of all its threads that still run, by the scheduler's clock."""
        return sum(int(path.read_text().split()[0]) for path in pathlib.Path(
            f"/proc/{self.process.pid}/task").glob("*/schedstat")) / 1e9

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.kill()


class Event(NamedTuple):
    """A stored row; `fields` is its kind's message, by field number, each a list
    of numbers (varints) or bytes."""
    agent: str
    epoch: bytes
    seq: int
    key: bytes
    seconds: int
    kind: str
    fields: Mapping


class Collector(_Program):
    """A collector with an inventory of `systems`: ids, or dictionaries as in
    inventory.yaml. `config` wins over what a test needs by default. After the
    first start its ports stay."""

    program = "mailvane-collector"

    def __init__(self, directory: os.PathLike, systems: Sequence = (),
                 **config):
        super().__init__(directory)
        self.database = self.directory / "collector.db"
        self.inventory_path = self.directory / "inventory.yaml"
        self.agent_port = self.operator_port = self.status_port = 0
        self._config = {
            "database": str(self.database),
            "inventory": str(self.inventory_path),
            "sessions": {"heartbeat_interval": f"{HEARTBEAT}s",
                         "snapshot_interval": f"{SNAPSHOT}s"},
            "ping": {"enabled": False, "interval": f"{PING}s"}, **config}
        self.set_inventory(systems)

    def set_inventory(self, systems: Sequence) -> None:
        """Writes it; SIGHUP, or the next start, reads it."""
        listed = [{"id": one} if isinstance(one, str) else one
                  for one in systems]
        self.inventory_path.write_text(json.dumps({"systems": listed}))

    def start(self) -> None:
        """Returns when it answers."""
        for attempt in range(5):
            # JSON is YAML.
            self.config_path.write_text(json.dumps({
                "agent_listen": f"127.0.0.1:{self.agent_port}",
                "operator_listen": f"127.0.0.1:{self.operator_port}",
                "status_listen": f"127.0.0.1:{self.status_port}",
                **self._config}))
            said = len(self.log())
            self._launch()
            ready = wait_until(
                lambda: re.search(r"collector is ready.* agents=(\d+) "
                                  r"operator=(\d+) status=(\d+)",
                                  self.log()[said:]) or
                (not self.running() and "ended"), "the collector to be ready")
            if ready != "ended":
                (self.agent_port, self.operator_port,
                 self.status_port) = map(int, ready.groups())
                return
            # Between two lives somebody may have been given one of our ports
            # for a moment.
            if "in use" not in self.log()[said:] or not self.agent_port:
                break
            time.sleep(0.2 * (attempt + 1))
        raise RootError(f"start the collector: {self.last_words()}")

    @property
    def agents(self) -> str:
        return f"127.0.0.1:{self.agent_port}"

    @property
    def operator(self) -> str:
        return f"127.0.0.1:{self.operator_port}"

    @property
    def status_url(self) -> str:
        return f"http://127.0.0.1:{self.status_port}/"

    def get(self, path: str) -> str:
        """From the operator's address. urllib.error.HTTPError when refused."""
        return _get(f"http://{self.operator}{path}")

    def systems(self) -> dict:
        """/api/v1/systems by id; {} while it can't be had."""
        try:
            answer = json.loads(self.get("/api/v1/systems"))
        except (OSError, ValueError):
            return {}
        return {one["id"]: one for one in answer["systems"]}

    def system(self, system_id: str) -> dict:
        return self.systems().get(system_id) or {}

    def connected(self, system_id: str) -> bool:
        return self.system(system_id).get("agent", {}).get("connected", False)

    def measurements(self, system_id: str) -> dict:
        return self.system(system_id).get("measurements") or {}

    def deliveries(self, system_id: str) -> collections.Counter:
        """status → recipients, over all providers."""
        counts = collections.Counter()
        for one in self.measurements(system_id).get("deliveries", []):
            counts[one["status"]] += one["count"]
        return counts

    def metrics(self, path: str = "/metrics/agents") -> "Metrics":
        return Metrics(self.get(path))

    def page(self, path: str = "/") -> "Page":
        return Page(_get(self.status_url.rstrip("/") + path))

    def events(self, kind: str = "") -> list:
        """What is stored, in the order in which it came; of one kind: started,
        stopping, loss, source, finding."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as db:
            rows = db.execute("SELECT agent, epoch, seq, key, time_us, body "
                              "FROM events ORDER BY id").fetchall()
        db.close()
        found = []
        for agent, epoch, seq, key, time_us, body in rows:
            fields = decode(body)
            number = next((n for n in KINDS if n in fields), None)
            event = Event(agent, epoch, seq, key, time_us // 1_000_000,
                          KINDS.get(number, "other"),
                          decode(fields[number][0]) if number else {})
            if kind in ("", event.kind):
                found.append(event)
        return found


class Agent(_Program):
    """An agent that reports to `collector` as `agent_id`. It watches what
    `config` says: for a Postfix of tests, `watch(postfix)`.

    With `user` it runs as that number, and in `groups`, numbers as well."""

    program = "mailvane-agent"

    def __init__(self, directory: os.PathLike, agent_id: str,
                 collector: Collector, *, user: Optional[int] = None,
                 groups: Sequence[int] = (), **config):
        super().__init__(directory)
        self.id = agent_id
        self._collector = collector
        self._config = config
        self._user = user
        if user is not None:
            self._wrapper = [*private_root.TIED, "--reuid", str(user),
                             "--regid", str(user), "--inh-caps=-all",
                             *(["--groups", ",".join(map(str, groups))]
                               if groups else ["--clear-groups"]), "--"]

    def start(self) -> None:
        """Returns at once: an agent does not wait for its collector."""
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        self.config_path.write_text(json.dumps({
            "collector": self._collector.agents, "id": self.id,
            "state_directory": str(state),
            "ping": {"interval": f"{PING}s"},
            "intervals": {"queue": f"{QUEUE}s"},
            # Nothing of this host is watched by chance.
            "log": {"source": "none"},
            "blocklists": {"enabled": False},
            "postfix": {"config_directory": str(self.directory / "no"),
                        "queue_directory": str(self.directory / "no")},
            **self._config}))
        if self._user is not None:
            os.chown(state, self._user, self._user)
            # Caches lie where only their owner may go.
            copy = self.directory / self.program
            if not copy.exists():
                shutil.copy2(programs() / self.program, copy)
            for path in (self.directory, *self.directory.parents):
                if path.stat().st_uid == os.getuid() and path != path.parent:
                    path.chmod(path.stat().st_mode | 0o055)
                if path.parent.samefile("/tmp"):
                    break
        self._launch()

    def _executable(self):
        return (super()._executable() if self._user is None
                else self.directory / self.program)


def watch(postfix, **log) -> dict:
    """What an Agent needs to know of a Postfix that tests started."""
    return {"log": {"source": "file", "file": str(postfix.log_path),
                    "start_at": "beginning", **log},
            "postfix": {"config_directory": str(postfix.config),
                        "queue_directory": str(postfix.spool)}}


# ------------------------------------------------------------------ reading

KINDS = {3: "started", 4: "stopping", 5: "loss", 6: "source", 7: "finding"}


def decode(message: bytes) -> dict:
    """The fields of a serialized protobuf message, by number, each a list in
    the order in which they stand."""
    fields = collections.defaultdict(list)
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            fields[number].append(varint())
        else:
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                size = varint()
            fields[number].append(message[at:at + size])
            at += size
    return fields


class Metrics:
    """An exposition. metrics.value("mailvane_queue_messages", queue="hold") is
    None when there is no such sample; labels not given may be anything."""

    def __init__(self, text: str):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            name, labels, value = re.fullmatch(
                r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?", line).groups()
            self.samples.append((name, dict(re.findall(
                r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")), float(value)))

    def values(self, name: str, **labels: str) -> list:
        return [value for found, has, value in self.samples
                if found == name and labels.items() <= has.items()]

    def value(self, name: str, **labels: str) -> Optional[float]:
        found = self.values(name, **labels)
        if len(found) > 1:
            raise RootError(f"{name}{labels}: {len(found)} samples")
        return found[0] if found else None


class Page(html.parser.HTMLParser):
    """A page's tables: `rows`, each the texts of its cells, head rows included;
    `by_system`, the main table's by the system's name; `text`, all of it."""

    def __init__(self, source: str):
        super().__init__()
        self.source = source
        self.rows, self._texts, self._cell = [], [], None
        self.feed(source)
        self.close()
        self.text = " ".join(" ".join(self._texts).split())
        self.by_system = {row[1]: row for row in self.rows if len(row) == 4}

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif tag == "li" and self._cell is not None:
            self._cell.append("\n")

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data):
        self._texts.append(data)
        if self._cell is not None:
            self._cell.append(data)


def _get(url: str) -> str:
    # No proxy of the user's stands between us and loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return answer.read().decode()
