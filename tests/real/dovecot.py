"""A real Dovecot in a private root: IMAP, POP3 and submission, with what it
says to syslog as a plain file on the host's side."""

import os
import pathlib
import re
import socket
import subprocess
from typing import Mapping, Optional

import private_root
from private_root import Bind, RootError, wait_until
from syslog_file import SyslogFile

HOSTNAME = "nc027.example.net"
INSIDE = "/srv/mail"
USERS = {"alice@example.net": "cheshire", "bob@example.net": "builder"}
SERVICES = ("imap", "pop3", "submission")

CONFIGURATION = """\
protocols = imap pop3 submission
hostname = {hostname}
listen = {host}
base_dir = /run/dovecot
state_dir = /tmp
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_verbose = yes
# Nothing waits for a test.
auth_failure_delay = 0
mail_location = maildir:{inside}/home/%u
mail_uid = 1000
mail_gid = 1000
submission_relay_host = {relay_host}
submission_relay_port = {relay_port}
passdb {{
  driver = passwd-file
  args = {inside}/etc/users
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home={inside}/home/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {submission}
  }}
}}
# An address with failures is not made to wait.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{settings}
"""


class Dovecot:
    """A Dovecot with its own configuration, mailboxes and log below
    `directory`, on free loopback ports, started on entry and stopped on exit.

        with Dovecot(tmp, relay=sink) as dovecot:
            imaplib.IMAP4(dovecot.host, dovecot.ports["imap"]).login(...)
            dovecot.wait_for_log("imap-login: Login:")

    `users` are names and passwords. `settings` are lines of dovecot.conf that
    win over the ones here. What is submitted goes to `relay`, anything with
    `host` and `port`. `log_path` is what syslog would have written.
    """

    def __init__(self, directory: os.PathLike, *, relay=None,
                 users: Optional[Mapping[str, str]] = None,
                 settings: Optional[Mapping[str, object]] = None,
                 hostname: str = HOSTNAME, host: str = "127.0.0.1",
                 ports: Optional[Mapping[str, int]] = None,
                 iso_log: bool = True):
        self.directory = pathlib.Path(directory).resolve()
        self.config = self.directory / "etc"
        self.log_path = self.directory / "mail.log"
        self.hostname = hostname
        self.host = host
        self.ports = dict(ports or {})
        self._fixed_ports = bool(ports)
        self._relay = relay
        self._users = dict(users or USERS)
        self._settings = dict(settings or {})
        self._iso_log = iso_log
        self._syslog = self._inside = self._root = None

    def __enter__(self):
        self._root = private_root.ensure("dovecot")
        try:
            self._lay_out()
            self._syslog = SyslogFile(
                self.log_path, hostname=self.hostname.split(".")[0],
                iso=self._iso_log)
            self._syslog.__enter__()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        if self._syslog:
            self._syslog.__exit__()
            self._syslog = None

    def start(self) -> None:
        """Returns when every service answers."""
        if self._inside:
            return
        for _ in range(5):
            if not self.ports:
                self.ports = {service: private_root.free_port(self.host)
                              for service in SERVICES}
            self._configure()
            if self._try_start():
                return
            if self._fixed_ports:
                break
            self.ports = {}
        raise RootError(f"start Dovecot on {self.host}: {self._last_words()}")

    def stop(self) -> None:
        if self._inside:
            self._inside.stop()
            self._inside = None

    def configure(self, settings: Mapping[str, object]) -> None:
        """Changes dovecot.conf, and starts a running Dovecot anew."""
        self._settings.update(settings)
        if self._inside:
            self.stop()
            self.start()

    def log_lines(self) -> list:
        return self.log_path.read_text(errors="replace").splitlines()

    def wait_for_log(self, pattern: str, number: int = 1,
                     seconds: float = 30) -> list:
        """The lines of the log that match, once `number` do."""
        def there():
            found = [l for l in self.log_lines() if re.search(pattern, l)]
            return found if len(found) >= number else None
        try:
            return wait_until(there, f"{number} log lines like {pattern!r}",
                              seconds)
        except RootError as error:
            last = "\n".join(self.log_lines()[-20:])
            raise RootError(f"{error}; the last lines are\n{last}") from None

    # --------------------------------------------------------------- inside

    def _lay_out(self):
        home = self.directory / "home"
        for path in (self.directory, self.config, home):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        os.chown(home, 1000, 1000)

    def _configure(self):
        relay = self._relay
        (self.config / "dovecot.conf").write_text(CONFIGURATION.format(
            hostname=self.hostname, host=self.host, inside=INSIDE,
            relay_host=relay.host if relay else "127.0.0.1",
            relay_port=relay.port if relay else 25,
            settings="".join(f"{key} = {value}\n" for key, value in
                             self._settings.items()), **self.ports))
        (self.config / "users").write_text("".join(
            f"{user}:{{PLAIN}}{password}\n"
            for user, password in self._users.items()))
        for file in self.config.iterdir():
            file.chmod(0o644)

    def _try_start(self) -> bool:
        with open(self.directory / "dovecot.out", "ab") as output:
            self._inside = self._root.start(
                ["dovecot", "-F", "-c", f"{INSIDE}/etc/dovecot.conf"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                hostname=self.hostname,
                binds=[Bind(self.directory, INSIDE), self._syslog.bind()])
        try:
            wait_until(lambda: not self._inside.running() or
                       all(map(self._answers, SERVICES)),
                       "Dovecot to answer")
            if self._inside.running():
                return True
        except RootError:
            pass
        self.stop()
        return False

    def _answers(self, service: str) -> bool:
        try:
            with socket.create_connection((self.host, self.ports[service]),
                                          5) as connection:
                return connection.recv(1) in (b"*", b"+", b"2")
        except OSError:
            return False

    def _last_words(self) -> str:
        words = (self.directory / "dovecot.out").read_text().strip()
        return "\n".join([words, *self.log_lines()[-10:]])
