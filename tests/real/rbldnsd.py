"""A real rbldnsd in a private root: DNS lists on loopback, as their operators
serve them."""

import os
import pathlib
import socket
import struct
from typing import Mapping

import private_root
from private_root import Bind, RootError, wait_until

INSIDE = "/srv/zones"


class Rbldnsd:
    """Serves `zones`: zone → a list of (dataset type, its text), as rbldnsd(8)
    has them. Asked directly, it refuses all other names.

        with Rbldnsd(tmp, {"bl.example": [("ip4set", ":127.0.0.2:x\\n1.2.3.4")]}) as lists:
            run("mailvane-agent", "blocklist", "--resolver", lists.address, …)

    `address` is what a resolver's configuration takes."""

    def __init__(self, directory: os.PathLike, zones: Mapping[str, list],
                 ttl: int = 1):
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        self.address = ""
        self._zones = dict(zones)
        self._ttl = ttl
        self._inside = None

    def write(self, zone: str, datasets: list) -> list:
        """The zone's data, replaced as one; rbldnsd's words for it."""
        words = []
        for number, (kind, text) in enumerate(datasets):
            file = self.directory / f"{zone}.{number}"
            fresh = file.with_suffix(".new")
            fresh.write_text(text + "\n")
            fresh.chmod(0o644)
            fresh.rename(file)
            words.append(f"{zone}:{kind}:{file.name}")
        return words

    def __enter__(self):
        root = private_root.ensure("rbldnsd")
        words = [word for zone, datasets in self._zones.items()
                 for word in self.write(zone, datasets)]
        for _ in range(5):
            port = private_root.free_port()
            self._inside = root.start(
                ["rbldnsd", "-n", "-u", "rbldns", "-w", INSIDE, "-c", "1s",
                 "-t", str(self._ttl), "-b", f"127.0.0.1/{port}", *words],
                binds=[Bind(self.directory, INSIDE, writable=False)])
            if self._answers(port):
                self.address = f"127.0.0.1:{port}"
                return self
            self._inside.stop()
        raise RootError("start rbldnsd: it does not answer")

    def __exit__(self, *_):
        self._inside.stop()

    def _answers(self, port: int) -> bool:
        # Any answer will do, a refusal as well.
        question = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + b"\x01x\x00\x00\x01\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect(("127.0.0.1", port))
            asking.settimeout(0.1)

            def asked():
                if not self._inside.running():
                    return "gone"
                try:
                    asking.send(question)
                    return "here" if asking.recv(512) else None
                except OSError:
                    return None
            return wait_until(asked, "rbldnsd to answer") == "here"
