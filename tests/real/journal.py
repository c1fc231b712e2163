"""Real journal files, written by systemd's own code in a private root."""

import datetime
import json
import os
import pathlib
import struct
from typing import Iterable, Mapping, Sequence, Union

import private_root
from private_root import MACHINE_ID, Bind

INSIDE = "/srv/journal"
BOOT_ID = "b007000000000000000000000000c027"
BOOTED = 1_700_000_000  # monotonic time starts here

# Journal file header (systemd, "Journal File Format"): signature 8 bytes,
# flags 8, state 1, reserved 7, file id, machine id, boot id, sequence id 16
# each, then little-endian counters.
_STATE_OFFSET = 16
_STATE_OFFLINE, _STATE_ARCHIVED = 0, 2
_SEQUENCE_ID_OFFSET = 72
_HEAD_SEQUENCE_OFFSET = 168
_HEAD_TIME_OFFSET = 184


class Journal:
    """A journal below `directory` as journald keeps it under /var/log:
    `path`/<machine id>/system.journal and archives beside it.

        journal = Journal(tmp)
        journal.append([{"time": 1764000000.5, "identifier": "postfix/smtpd",
                         "pid": 7, "message": "connect from …"}])
        journal.read()

    An entry has `time` (datetime, or seconds since 1970), `identifier`,
    `message` (text, or bytes that need not be UTF-8), and perhaps `pid`,
    `unit`, `priority`; keys in capitals go in as they are. Nothing runs
    between calls, so entering and leaving the context does nothing.
    """

    def __init__(self, directory: os.PathLike, *,
                 hostname: str = "nc027.example.net"):
        self.path = pathlib.Path(directory).resolve() / "journal"
        self.directory = self.path / MACHINE_ID
        self.active = self.directory / "system.journal"
        self.hostname = hostname
        self._root = private_root.ensure("journal")
        self.directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def append(self, entries: Iterable[Mapping]) -> None:
        """Writes to the active file, which is made when there is none."""
        export = b"".join(self._export(entry) for entry in entries)
        source = self.path / "entries.export"
        source.write_bytes(export)
        try:
            self._run(["/lib/systemd/systemd-journal-remote", "-o",
                       f"{INSIDE}/{MACHINE_ID}/system.journal",
                       f"{INSIDE}/entries.export"])
        finally:
            source.unlink()

    def rotate(self) -> pathlib.Path:
        """Archives the active file as journald does: marks it, and renames it
        for the first entry in it. Returns its new path. The next append makes
        a new active file, with a sequence of its own, which journald's would
        share with the archive."""
        with open(self.active, "r+b") as file:
            header = file.read(256)
            file.seek(_STATE_OFFSET)
            file.write(bytes([_STATE_ARCHIVED]))
        sequence_id = header[_SEQUENCE_ID_OFFSET:_SEQUENCE_ID_OFFSET + 16]
        first, = struct.unpack_from("<Q", header, _HEAD_SEQUENCE_OFFSET)
        time, = struct.unpack_from("<Q", header, _HEAD_TIME_OFFSET)
        archived = self.active.with_name(
            f"system@{sequence_id.hex()}-{first:016x}-{time:016x}.journal")
        self.active.rename(archived)
        return archived

    def vacuum(self, files: int = 1) -> None:
        """Removes the oldest archives until `files` files are left, the
        active one included, which always stays."""
        self._run(["journalctl", "--directory", INSIDE,
                   f"--vacuum-files={files}"])

    def files(self) -> list:
        return sorted(self.directory.glob("*.journal"))

    def read(self, *options: str) -> list:
        """All entries by journalctl, oldest first; `options` go to it."""
        out = self._run(["journalctl", "--directory", INSIDE, "--output=json",
                         "--all", "--no-pager", "--quiet", *options])
        return [json.loads(line) for line in out.splitlines()]

    def verify(self) -> None:
        """Raises RootError when journalctl finds a file damaged."""
        self._run(["journalctl", "--directory", INSIDE, "--verify"])

    def _run(self, argv: Sequence[str]) -> str:
        return self._root.run(argv, binds=[Bind(self.path, INSIDE)],
                              hostname=self.hostname).stdout

    def _export(self, entry: Mapping) -> bytes:
        time = entry["time"]
        if isinstance(time, datetime.datetime):
            time = time.timestamp()
        microseconds = round(time * 1_000_000)
        fields = {
            "__REALTIME_TIMESTAMP": str(microseconds),
            "__MONOTONIC_TIMESTAMP":
                str(max(microseconds - BOOTED * 1_000_000, 0)),
            "_BOOT_ID": BOOT_ID,
            "_MACHINE_ID": MACHINE_ID,
            "_HOSTNAME": self.hostname,
            "_TRANSPORT": "syslog",
            "SYSLOG_FACILITY": "2",
            "PRIORITY": str(entry.get("priority", 6)),
            "SYSLOG_IDENTIFIER": entry["identifier"],
            "MESSAGE": entry["message"],
        }
        if "pid" in entry:
            fields["_PID"] = fields["SYSLOG_PID"] = str(entry["pid"])
        if "unit" in entry:
            fields["_SYSTEMD_UNIT"] = entry["unit"]
        fields.update((key, value) for key, value in entry.items()
                      if key.isupper())
        return b"".join(_field(key, value)
                        for key, value in fields.items()) + b"\n"


def _field(key: str, value: Union[str, bytes]) -> bytes:
    """`KEY=value`, or with its length in front when it is not plain text."""
    data = value if isinstance(value, bytes) else value.encode()
    plain = all(byte >= 32 or byte == 9 for byte in data)
    if plain:
        try:
            data.decode()
        except UnicodeDecodeError:
            plain = False
    if plain:
        return key.encode() + b"=" + data + b"\n"
    return key.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
