"""What a program says to syslog, in a file on the host's side, with the head
that rsyslog writes: `/dev/log` in every private root leads to /run/syslog,
where `bind()` puts this one's socket."""

import datetime
import os
import pathlib
import re
import socket
import threading

from private_root import Bind


class SyslogFile:
    """Listens from entry to exit.

        with SyslogFile(tmp / "mail.log") as syslog_file:
            root.run(["logger", "hello"], binds=[syslog_file.bind()])

    `iso` writes times as Debian 12's rsyslog does by default, else as all did
    before; both in UTC.
    """

    def __init__(self, path: os.PathLike, *,
                 hostname: str = "nc027", iso: bool = True):
        self.path = pathlib.Path(path).resolve()
        self.hostname = hostname
        self.iso = iso
        self._address = self.path.with_name(self.path.name + ".socket")
        self._socket = self._thread = None

    def __enter__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        self._address.chmod(0o666)
        self.path.touch()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self._address))
        self._thread.join()
        self._socket.close()
        self._address.unlink()

    def bind(self) -> Bind:
        return Bind(self._address, "/run/syslog")

    def text(self) -> str:
        return self.path.read_text(errors="replace")

    def _listen(self):
        with open(self.path, "ab", buffering=0) as file:
            while True:
                datagram = self._socket.recv(65536)
                if not datagram:
                    return
                # "<22>Nov 24 23:53:06 dovecot: imap-login: ...", from libc.
                text = re.sub(rb"^<\d+>(\w{3} [ \d]\d [\d:]{8} )?", b"",
                              datagram).rstrip(b"\0\n")
                now = datetime.datetime.now(datetime.timezone.utc)
                when = (now.isoformat() if self.iso else
                        f"{now:%b} {now.day:2d} {now:%H:%M:%S}")
                # As rsyslog: what is no text would end the line too soon.
                text = re.sub(rb"[\0-\x1f]",
                              lambda m: b"#%03o" % m.group()[0], text)
                file.write(f"{when} {self.hostname} ".encode() + text + b"\n")
