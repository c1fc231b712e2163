"""A real Postfix in a private root, with its log and queue as plain files on
the host's side."""

import glob
import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import subprocess
from typing import Mapping, Optional, Sequence, Union

import private_root
from private_root import Bind, RootError, wait_until
from smtp_sink import SmtpSink

HOSTNAME = "nc027.example.net"
INSIDE = "/srv/mail"

# As Debian's, without its chroots and the transports that need other programs.
MASTER_CF = """\
{host}:{port} inet n - n - - smtpd
    -o syslog_name=postfix
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
proxywrite unix - - n -     1 proxymap
smtp      unix  - - n -     - smtp
relay     unix  - - n -     - smtp
    -o syslog_name=postfix/$service_name
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
local     unix  - n n -     - local
virtual   unix  - n n -     - virtual
lmtp      unix  - - n -     - lmtp
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

SPOOL = {  # directory: (owner, group, mode), as in postfix-files
    **{name: (101, 0, 0o700) for name in (
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
        "incoming", "private", "saved", "trace")},
    "maildrop": (101, 102, 0o730),
    "public": (101, 102, 0o710),
    "pid": (0, 0, 0o755),
}


class Postfix:
    """A Postfix with its own configuration, queue and log below `directory`,
    listening on a free loopback port, started on entry and stopped on exit.

        with Postfix(tmp) as postfix:
            postfix.send("a@example.net", "b@example.com", 3)
            postfix.wait_for_queue(3)

    All mail goes to `relay`, anything with `host` and `port`: an SmtpSink, a
    RefusedPort, or by default its own SmtpSink, `postfix.sink`, that defers
    everything until told otherwise. `transports` sends single domains
    elsewhere ({"example.com": "smtp:[mx.example.com]:2525"}); `hosts` are
    names the servers in the root can look up, in both directions
    ({"mx.example.com": "127.0.0.9"}).
    `settings` are main.cf lines that win over the ones here.

    Public paths, all on the host: `spool` (so showq answers at
    `spool/"public/showq"`), `log_path`, `config` (main.cf, master.cf).
    """

    def __init__(self, directory: os.PathLike, *, relay=None,
                 transports: Optional[Mapping[str, str]] = None,
                 hosts: Optional[Mapping[str, str]] = None,
                 settings: Optional[Mapping[str, object]] = None,
                 hostname: str = HOSTNAME, host: str = "127.0.0.1",
                 port: Optional[int] = None):
        self.directory = pathlib.Path(directory).resolve()
        self.spool = self.directory / "spool"
        self.config = self.directory / "etc"
        self.log_path = self.directory / "mail.log"
        self.hostname = hostname
        self.host = host
        self.port = port
        self.sink = None
        self._fixed_port = port is not None
        self._relay = relay
        self._transports = dict(transports or {})
        self._hosts = dict(hosts or {})
        self._settings = dict(settings or {})
        self._inside = None
        self._root = None

    # ------------------------------------------------------ start and stop

    def __enter__(self):
        self._root = private_root.ensure("postfix")
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
        """Returns when Postfix takes mail. The queue is as stop() left it,
        the port is the same unless somebody has taken it meanwhile."""
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
        raise RootError(f"start Postfix on {self.host}:{self.port}: "
                        f"{self._last_words()}")

    def stop(self) -> None:
        """As `postfix stop`; nothing of it runs afterwards."""
        if self._inside:
            # master is the first process, so this ends with it, unfinished.
            self._inside.run(["postfix", "stop"], check=False)
            self._inside.stop()
            self._inside = None

    def kill(self) -> None:
        """As a machine that loses power, but for the page cache."""
        if self._inside:
            self._inside.stop(signal.SIGKILL)
            self._inside = None

    def reload(self) -> None:
        self.run("postfix", "reload")

    def configure(self, settings: Mapping[str, object]) -> None:
        """Changes main.cf, and reloads when running."""
        self._settings.update(settings)
        self._configure()
        if self._inside:
            self.reload()

    # ----------------------------------------------------------- the mail

    def send(self, sender: str, to: Union[str, Sequence[str]], n: int = 1, *,
             subject: str = "test", body: str = "Hello.\n",
             helo: str = "client.example.net",
             source: str = "127.0.0.1") -> list:
        """Hands `n` messages over by SMTP in one session and returns their
        queue ids. Raises smtplib.SMTPException when one is refused."""
        recipients = [to] if isinstance(to, str) else list(to)
        ids = []
        with smtplib.SMTP(self.host, self.port, local_hostname=helo,
                          timeout=30, source_address=(source, 0)) as client:
            for number in range(1, n + 1):
                text = (f"From: <{sender}>\r\nTo: {', '.join(recipients)}\r\n"
                        f"Subject: {subject} {number}\r\n\r\n{body}")
                client.ehlo_or_helo_if_needed()
                _expect(client, 250, client.mail(sender))
                for recipient in recipients:
                    _expect(client, 250, client.rcpt(recipient))
                reply = _expect(client, 250, client.data(text.encode()))
                ids.append(re.search(r"queued as (\S+)", reply).group(1))
        return ids

    def submit(self, sender: str, to: Union[str, Sequence[str]], *,
               body: str = "Hello.\n") -> None:
        """One message by sendmail(1), so through maildrop and pickup."""
        recipients = [to] if isinstance(to, str) else list(to)
        self.run("sendmail", "-f", sender, *recipients,
                 input=f"Subject: submitted\n\n{body}")

    def queue(self) -> list:
        """`postqueue -j`, parsed: one dictionary a message."""
        return [json.loads(line)
                for line in self.run("postqueue", "-j").splitlines()]

    def wait_for_queue(self, number: int, name: str = "deferred",
                       seconds: float = 30) -> list:
        """The messages in queue `name` once there are exactly `number`."""
        def there():
            found = [m for m in self.queue() if m["queue_name"] == name]
            return (found,) if len(found) == number else None
        return wait_until(there, f"{number} messages in {name}", seconds)[0]

    def flush(self) -> None:
        """A delivery attempt for everything that is deferred."""
        self.run("postqueue", "-f")

    def hold(self, queue_id: str) -> None:
        self.run("postsuper", "-h", queue_id)

    def release(self, queue_id: str) -> None:
        self.run("postsuper", "-H", queue_id)

    def remove(self, queue_id: str) -> None:
        self.run("postsuper", "-d", queue_id)

    # ------------------------------------------------------------ the log

    def log_lines(self) -> list:
        if not self.log_path.exists():  # just rotated
            return []
        return self.log_path.read_text(errors="replace").splitlines()

    def wait_for_log(self, pattern: str, number: int = 1,
                     seconds: float = 30) -> list:
        """The lines of the current log that match, once `number` do."""
        def there():
            found = [l for l in self.log_lines() if re.search(pattern, l)]
            return found if len(found) >= number else None
        try:
            return wait_until(there, f"{number} log lines like {pattern!r}",
                              seconds)
        except RootError as error:
            last = "\n".join(self.log_lines()[-20:])
            raise RootError(f"{error}; the last lines are\n{last}") from None

    def rotate(self, how: str) -> pathlib.Path:
        """Rotates the log and returns where the old one is. `how`:
        "rename": renamed to mail.log.1, then SIGHUP; the new file appears with
        the next line, and only this returns when no line can go to the old;
        "postfix": `postfix logrotate`, which adds a date and gzip to that;
        "copytruncate": copied to mail.log.1, then cut to nothing."""
        old = self.log_path.with_name("mail.log.1")
        if how == "copytruncate":
            shutil.copy2(self.log_path, old)
            self.truncate()
        elif how == "rename":
            self.log_path.rename(old)
            self._inside.send(signal.SIGHUP)
            wait_until(lambda: not _held_open(old), f"postlogd to leave {old}")
        elif how == "postfix":
            before = set(self.directory.glob("mail.log.*"))
            self.run("postfix", "logrotate")
            old = wait_until(
                lambda: next(iter(set(self.directory.glob("mail.log.*.gz"))
                                  - before), None), "a gzipped mail.log")
        else:
            raise ValueError(f"rotate {how!r}: rename, postfix, copytruncate")
        return old

    def truncate(self) -> None:
        os.truncate(self.log_path, 0)

    # --------------------------------------------------------------- inside

    def run(self, *argv: str, input: Optional[str] = None) -> str:
        """A command beside the servers, as root; its standard output. Works
        on the queue also while Postfix is stopped."""
        if self._inside:
            return self._inside.run(argv, input=input).stdout
        return self._root.run(argv, input=input, **self._options()).stdout

    def _options(self):
        return {"binds": [Bind(self.directory, INSIDE),
                          Bind(self.config / "hosts", "/etc/hosts")],
                "hostname": self.hostname,
                "env": {"MAIL_CONFIG": f"{INSIDE}/etc"}}

    def _lay_out(self):
        for path in (self.directory, self.config, self.spool):
            path.mkdir(parents=True, exist_ok=True)
        # The servers that run as postfix walk through them.
        for path in (self.directory, self.config, self.spool):
            path.chmod(0o755)
        for name, (owner, group, mode) in SPOOL.items():
            path = self.spool / name
            path.mkdir(exist_ok=True)
            os.chown(path, owner, group)
            path.chmod(mode)
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        os.chown(data, 101, 0)
        data.chmod(0o700)

    def _configure(self):
        settings = {
            "compatibility_level": "3.6",
            "myhostname": self.hostname,
            "mydestination": "",
            "alias_maps": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": self.host,
            "inet_protocols": "ipv4",
            "relayhost": f"[{self._relay.host}]:{self._relay.port}",
            "transport_maps": f"texthash:{INSIDE}/etc/transport",
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "maillog_file": f"{INSIDE}/mail.log",
            "maillog_file_prefixes": INSIDE,
            "queue_directory": f"{INSIDE}/spool",
            "data_directory": f"{INSIDE}/data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            # A test's disk may be small, and its mail is.
            "queue_minfree": "0",
            "message_size_limit": "1048576",
            # Nobody but the test asks for another attempt.
            "queue_run_delay": "1h",
            "minimal_backoff_time": "1h",
            "maximal_backoff_time": "4h",
            **self._settings,
        }
        (self.config / "main.cf").write_text(
            "".join(f"{key} = {value}\n" for key, value in settings.items()))
        (self.config / "master.cf").write_text(
            MASTER_CF.format(host=self.host, port=self.port))
        (self.config / "transport").write_text(
            "".join(f"{domain} {transport}\n"
                    for domain, transport in self._transports.items()))
        (self.config / "hosts").write_text(
            f"{self.host} {self.hostname}\n127.0.0.1 localhost\n" +
            "".join(f"{ip} {name}\n" for name, ip in self._hosts.items()))
        # Postfix waits until a file has rested for two seconds, for fear of
        # reading it half written.
        for file in self.config.iterdir():
            os.utime(file, times=(0, file.stat().st_mtime - 60))
            file.chmod(0o644)

    def _try_start(self) -> bool:
        # Skips checking a queue that was just made; Postfix removes it.
        (self.spool / "quick-start").touch()
        with open(self.directory / "postfix.out", "ab") as output:
            self._inside = self._root.start(
                ["postfix", "start-fg"], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, **self._options())
        try:
            ready = wait_until(lambda: not self._inside.running() or
                               self._answers(), "Postfix to answer")
            if ready and self._inside.running():
                return True
        except RootError:
            pass
        self.stop()
        return False

    def _answers(self) -> bool:
        if not (self.spool / "public/showq").is_socket():
            return False
        try:
            with smtplib.SMTP(self.host, self.port, timeout=5,
                              local_hostname="localhost") as client:
                return client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def _last_words(self) -> str:
        words = (self.directory / "postfix.out").read_text().strip()
        if self.log_path.exists():
            words += "\n" + "\n".join(self.log_lines()[-10:])
        return words or "it said nothing"


def _expect(client, code, answer) -> str:
    if answer[0] != code:
        raise smtplib.SMTPResponseException(*answer)
    return answer[1].decode()


def _held_open(path: pathlib.Path) -> bool:
    """Whether any process of this machine has the file open for writing."""
    want = path.stat()
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            found = os.stat(link)
            if (found.st_dev, found.st_ino) != (want.st_dev, want.st_ino):
                continue
            info = pathlib.Path(link.replace("/fd/", "/fdinfo/")).read_text()
        except OSError:  # gone meanwhile
            continue
        flags = int(re.search(r"^flags:\s+([0-7]+)", info, re.M).group(1), 8)
        if flags & os.O_ACCMODE != os.O_RDONLY:
            return True
    return False
