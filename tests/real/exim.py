"""A real Exim in a private root, with its log and spool as plain files on the
host's side."""

import os
import pathlib
import re
import signal
import smtplib
import subprocess
from typing import Mapping, NamedTuple, Optional, Sequence, Union

import private_root
from private_root import Bind, RootError, wait_until
from smtp_sink import SmtpSink

HOSTNAME = "nc027.example.net"
INSIDE = "/srv/mail"
USER = 105

# Each section can be replaced as a whole by a test.
SECTIONS = {
    "acl": """\
accept_all:
  accept
""",
    "routers": """\
transports:
  driver = manualroute
  domains = !example.invalid
  route_data = ${lookup{$domain}lsearch*{/etc/exim4/routes}}
  transport = remote_smtp
  host_find_failed = defer
  self = send
""",
    "transports": """\
remote_smtp:
  driver = smtp
  hosts_try_prdr =
  hosts_try_fastopen =
  connect_timeout = 10s
""",
    "retry": """\
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
""",
    "rewrite": "",
    "authenticators": "",
}


class Queued(NamedTuple):
    """One message as `exim -bp` shows it."""
    id: str
    age: str
    size: str
    sender: str
    frozen: bool
    waiting: Sequence[str]
    delivered: Sequence[str]


class Exim:
    """An Exim with its own configuration, spool and log below `directory`,
    listening on a free loopback port, started on entry and stopped on exit.

        with Exim(tmp) as exim:
            exim.send("a@example.net", "b@example.com", 3)
            exim.wait_for_queue(3)

    All mail goes to `relay`, anything with `host` and `port`: by default its
    own SmtpSink, `exim.sink`, that defers everything until told otherwise.
    `routes` sends single domains elsewhere ({"example.com":
    "mx.example.com::2525 byname"}); `hosts` are names that can be looked up,
    in both directions. `settings` are main options that win over the ones
    here, `sections` whole sections. Nobody but the test asks for another
    attempt: there is no queue runner.

    Public paths, all on the host: `spool`, `log_path` (the main log), `config`
    (exim4.conf).
    """

    def __init__(self, directory: os.PathLike, *, relay=None,
                 routes: Optional[Mapping[str, str]] = None,
                 hosts: Optional[Mapping[str, str]] = None,
                 settings: Optional[Mapping[str, object]] = None,
                 sections: Optional[Mapping[str, str]] = None,
                 binds: Sequence[Bind] = (), hostname: str = HOSTNAME,
                 host: str = "127.0.0.1", port: Optional[int] = None):
        self.directory = pathlib.Path(directory).resolve()
        self.spool = self.directory / "spool"
        self.config = self.directory / "etc"
        self.log_path = self.directory / "log/mainlog"
        self.hostname = hostname
        self.host = host
        self.port = port
        self.sink = None
        self._fixed_port = port is not None
        self._relay = relay
        self._routes = dict(routes or {})
        self._hosts = dict(hosts or {})
        self._settings = dict(settings or {})
        self._sections = {**SECTIONS, **(sections or {})}
        self._binds = list(binds)
        self._inside = None
        self._root = None

    # ------------------------------------------------------ start and stop

    def __enter__(self):
        self._root = private_root.ensure("exim")
        if self._relay is None:
            self.sink = self._relay = SmtpSink(
                default="451 4.7.1 Service unavailable, try again later")
        try:
            self._lay_out()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        if self.sink:
            self.sink.close()

    def start(self) -> None:
        """Returns when Exim takes mail. The spool is as stop() left it."""
        if self._inside:
            return
        for _ in range(5):
            if self.port is None:
                self.port = private_root.free_port(self.host)
            self._configure()
            if self._try_start():
                return
            if self._fixed_port:
                break
            self.port = None
        raise RootError(f"start Exim on {self.host}:{self.port}: "
                        f"{self._last_words()}")

    def stop(self) -> None:
        """Nothing of it runs afterwards, deliveries included."""
        if self._inside:
            self._inside.stop()
            self._inside = None

    def configure(self, settings: Optional[Mapping[str, object]] = None,
                  sections: Optional[Mapping[str, str]] = None) -> None:
        """Changes the configuration, and has a running daemon read it."""
        self._settings.update(settings or {})
        self._sections.update(sections or {})
        self._configure()
        if self._inside:
            self._inside.send(signal.SIGHUP)
            wait_until(self._answers, "Exim to answer again")

    # ----------------------------------------------------------- the mail

    def send(self, sender: str, to: Union[str, Sequence[str]], n: int = 1, *,
             subject: str = "test", body: str = "Hello.\n",
             helo: str = "client.example.net", source: str = "127.0.0.1",
             login: Optional[Sequence[str]] = None) -> list:
        """Hands `n` messages over by SMTP in one session and returns their
        ids. Raises smtplib.SMTPException when one is refused."""
        recipients = [to] if isinstance(to, str) else list(to)
        ids = []
        with smtplib.SMTP(self.host, self.port, local_hostname=helo,
                          timeout=30, source_address=(source, 0)) as client:
            client.ehlo_or_helo_if_needed()
            if login:
                client.login(*login)
            for number in range(1, n + 1):
                # A bare line feed is no line's end to Exim.
                text = (f"From: <{sender}>\nTo: {', '.join(recipients)}\n"
                        f"Subject: {subject} {number}\n\n{body}"
                        ).replace("\n", "\r\n")
                _expect(client, 250, client.mail(sender))
                for recipient in recipients:
                    _expect(client, 250, client.rcpt(recipient))
                reply = _expect(client, 250, client.data(text.encode()))
                ids.append(re.search(r"id=(\S+)", reply).group(1))
        return ids

    def submit(self, sender: str, to: Union[str, Sequence[str]], *,
               body: str = "Hello.\n", user: str = "") -> None:
        """One message by sendmail(1), as `user`."""
        recipients = [to] if isinstance(to, str) else list(to)
        command = ["exim4", "-i", "-f", sender, *recipients]
        if user:
            command = ["chroot", f"--userspec={user}", "/", *command]
        self.run(*command, input=f"Subject: submitted\n\n{body}")

    def queue(self, *options: str) -> list:
        """`exim -bp`, parsed: a Queued a message."""
        return list(_parse_queue(self.run("exim4", *options, "-bp")))

    def count(self, *options: str) -> int:
        return int(self.run("exim4", *options, "-bpc"))

    def wait_for_queue(self, number: int, seconds: float = 30) -> list:
        """The messages, once there are exactly `number` and none of them is
        being delivered."""
        def there():
            if any(self.spool.glob("**/*-J")):
                return None
            found = self.queue()
            return (found,) if len(found) == number else None
        return wait_until(there, f"{number} messages", seconds)[0]

    def flush(self, how: str = "-qf") -> None:
        """A delivery attempt for everything that is not frozen; returns when
        all are over. `how`: "-qff" for what is frozen as well, "-qfGNAME" for
        the queue of that name."""
        self.run("exim4", how)

    def message(self, option: str, *ids: str) -> str:
        """`exim -M…`: -Mf freezes, -Mt thaws, -Mrm removes, -Mg gives up."""
        return self.run("exim4", option, *ids)

    # ------------------------------------------------------------ the log

    def log_lines(self) -> list:
        if not self.log_path.exists():
            return []
        return self.log_path.read_text(errors="replace").splitlines()

    def wait_for_log(self, pattern: str, number: int = 1,
                     seconds: float = 30) -> list:
        """The lines of the main log that match, once `number` do."""
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

    def run(self, *argv: str, input: Optional[str] = None,
            check: bool = True) -> str:
        """A command beside the daemon, as root; its standard output. Works on
        the spool also while Exim is stopped."""
        if self._inside:
            return self._inside.run(argv, input=input, check=check).stdout
        return self._root.run(argv, input=input, check=check,
                              **self._options()).stdout

    def _options(self):
        return {"binds": [Bind(self.directory, INSIDE),
                          Bind(self.config, "/etc/exim4", writable=False),
                          Bind(self.config / "hosts", "/etc/hosts"),
                          *self._binds],
                "hostname": self.hostname}

    def _lay_out(self):
        for path in (self.directory, self.config, self.spool,
                     self.log_path.parent):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        for path in (self.spool, self.log_path.parent):
            os.chown(path, USER, USER)
            path.chmod(0o750)

    def _configure(self):
        settings = {
            "primary_hostname": self.hostname,
            "spool_directory": f"{INSIDE}/spool",
            "log_file_path": f"{INSIDE}/log/%slog",
            "pid_file_path": f"{INSIDE}/exim.pid",
            "local_interfaces": self.host,
            "daemon_smtp_ports": self.port,
            "acl_smtp_rcpt": "accept_all",
            "host_lookup": "*",
            "host_lookup_order": "byaddr",
            "rfc1413_query_timeout": "0s",
            "tls_advertise_hosts": "",
            "trusted_users": "root",
            "timezone": "UTC",
            "keep_environment": "",
            "remote_max_parallel": "1",
            **self._settings,
        }
        text = "".join(f"{key} = {value}\n" for key, value in settings.items())
        for name, section in self._sections.items():
            text += f"\nbegin {name}\n{section}"
        (self.config / "exim4.conf").write_text(text)
        (self.config / "routes").write_text("".join(
            f"{domain}: {route}\n" for domain, route in
            {**self._routes, "*": f"{self._relay.host}::{self._relay.port} "
                                  "byname"}.items()))
        (self.config / "hosts").write_text(
            f"{self.host} {self.hostname}\n127.0.0.1 localhost\n" +
            "".join(f"{ip} {name}\n" for name, ip in self._hosts.items()))
        for file in self.config.iterdir():
            file.chmod(0o644)

    def _try_start(self) -> bool:
        with open(self.directory / "exim.out", "ab") as output:
            self._inside = self._root.start(
                ["exim4", "-bdf"], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, **self._options())
        try:
            ready = wait_until(lambda: not self._inside.running() or
                               self._answers(), "Exim to answer")
            if ready and self._inside.running():
                return True
        except RootError:
            pass
        self.stop()
        return False

    def _answers(self) -> bool:
        try:
            with smtplib.SMTP(self.host, self.port, timeout=5,
                              local_hostname="localhost") as client:
                return client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def _last_words(self) -> str:
        words = (self.directory / "exim.out").read_text().strip()
        for log in self.log_path.parent.iterdir():
            words += "\n" + "\n".join(log.read_text().splitlines()[-5:])
        return words or "it said nothing"


def _parse_queue(text: str):
    """ 2m  1.2K 1rVDhn-0001bo-D3 <a@example.net> *** frozen ***
               b@example.com
             D c@example.com"""
    for block in re.split(r"\n\n+", text.strip("\n")):
        if not block:
            continue
        head, *recipients = block.split("\n")
        age, size, id_, sender, frozen = re.fullmatch(
            r" *(\S+) +(\S+) (\S+) <(.*?)>(?: \(.*\))?( \*\*\* frozen \*\*\*)?",
            head).groups()
        yield Queued(id_, age, size, sender, bool(frozen),
                     [r.strip() for r in recipients if r[8:10] != "D "],
                     [r[10:] for r in recipients if r[8:10] == "D "])


def _expect(client, code, answer) -> str:
    if answer[0] != code:
        raise smtplib.SMTPResponseException(*answer)
    return answer[1].decode()
