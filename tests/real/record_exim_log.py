#!/usr/bin/python3
"""Records tests/testdata/logs/exim_story.log: a real Exim lives through an
ordinary hour of a mail server within seconds, three times over: with the log
selectors that it has by default, with those that an administrator is told to
add, and with all there are. Beside it exim_syslog_story.log: the same through
syslog. Run it again to have new ones; ids and times differ then, the story
does not.

    sudo tests/real/record_exim_log.py [DIRECTORY]
"""

import base64
import contextlib
import pathlib
import re
import smtplib
import socket
import subprocess
import sys
import tempfile

import documentation_network
from exim import SECTIONS, Exim
from private_root import wait_until
from smtp_sink import SmtpSink
from syslog_file import SyslogFile

DEFAULT = pathlib.Path(__file__).resolve().parents[1] / "testdata/logs"

SERVER = "203.0.113.27"
OFFICE = "198.51.100.10"   # a customer's, may relay
STRANGER = "192.0.2.200"
NAMELESS = "192.0.2.201"
BANNED = "192.0.2.202"

HOSTS = {
    "office.example.net": OFFICE,
    "stranger.example.org": STRANGER,
    "banned.example.org": BANNED,
    "mx1.example.com": "192.0.2.10",
    "mx2.example.com": "192.0.2.11",
    "mx.example.org": "192.0.2.20",
    "mx.freemail.example": "192.0.2.30",
    "mx.gone.example": "192.0.2.40",
    "mx.busy.example": "192.0.2.50",
    "mx.drop.example": "192.0.2.60",
}
ROUTES = {
    "example.com": "mx1.example.com:mx2.example.com byname",
    "example.org": "mx.example.org byname",
    "freemail.example": "mx.freemail.example byname",
    "gone.example": "mx.gone.example byname",
    "busy.example": "mx.busy.example byname",
    "drop.example": "mx.drop.example byname",
}
ALIASES = """\
postmaster: alice
info: alice, bob
forward: someone@freemail.example
ticket: |/bin/cat
archive: /srv/mail/home/archive
trash: :blackhole:
left: :fail: has left the company
later: :defer: the mailbox is being moved
"""
RECOMMENDED = ("+received_recipients +received_sender +subject "
               "+sender_on_delivery +smtp_mailauth +incoming_port +millisec "
               "+pid +deliver_time +queue_time +smtp_connection")
SELECTORS = {"default": "", "recommended": RECOMMENDED, "all": "+all"}

ACL = """\
check_connect:
  deny    hosts       = 192.0.2.202
          message     = go away
  accept

check_mail:
  deny    senders     = *@spam.example
          message     = sender not welcome
  accept

check_rcpt:
  deny    local_parts = ^.*[@%!/|] : ^\\\\.
          message     = restricted characters in address
  warn    recipients  = bob@example.net
          !authenticated = *
          hosts       = 192.0.2.201
          log_message = no reverse name
  deny    recipients  = retired@example.net
          message     = no longer here
  defer   recipients  = carol@example.net
          hosts       = 192.0.2.200
          message     = greylisted, come back later
  warn    recipients  = list@example.com
          set acl_m_queue = bulk
          queue       = bulk
  warn    recipients  = through@example.com
          control     = cutthrough_delivery
  warn    recipients  = fake@example.com
          control     = fakereject/550 5.7.1 this is not taken
  accept  authenticated = *
          control     = submission/sender_retain
  accept  hosts       = 198.51.100.10
  require domains     = example.net
          message     = relay not permitted
  require verify      = recipient
  accept

check_data:
  deny    condition   = ${if match{$h_subject:}{casino}}
          message     = 5.7.1 this is spam
          log_message = spam: casino
  accept
"""
ROUTERS = """\
nowhere:
  driver = redirect
  domains = nowhere.example
  allow_fail
  data = :fail: there is no domain nowhere.example

aliases:
  driver = redirect
  domains = example.net
  allow_fail
  allow_defer
  data = ${lookup{$local_part}lsearch{/etc/exim4/aliases}}
  user = www-data
  file_transport = address_file
  pipe_transport = address_pipe

localuser:
  driver = accept
  domains = example.net : nc027.example.net
  check_local_user
  transport = local_delivery

unknown:
  driver = redirect
  domains = example.net : nc027.example.net
  allow_fail
  data = :fail: Unknown user

""" + SECTIONS["routers"]
TRANSPORTS = SECTIONS["transports"] + """\
  interface = 203.0.113.27
  command_timeout = 5s

local_delivery:
  driver = appendfile
  file = /srv/mail/home/$local_part_data
  delivery_date_add
  envelope_to_add
  return_path_add
  user = $local_part_data
  current_directory = /

address_pipe:
  driver = pipe
  return_fail_output

address_file:
  driver = appendfile
  delivery_date_add
"""
AUTHENTICATORS = """\
plain_server:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${if eq{$auth3}{cheshire}}
  server_set_id = $auth2
  server_prompts = :

login_server:
  driver = plaintext
  public_name = LOGIN
  server_prompts = "Username:: : Password::"
  server_condition = ${if eq{$auth2}{broken}{${acl{nosuch}}}{${if eq{$auth2}{cheshire}}}}
  server_set_id = $auth1
"""
SETTINGS = {
    "acl_smtp_connect": "check_connect",
    "acl_smtp_mail": "check_mail",
    "acl_smtp_rcpt": "check_rcpt",
    "acl_smtp_data": "check_data",
    "message_size_limit": "20K",
    "smtp_receive_timeout": "2s",
    "recipients_max": "5",
    "smtp_max_unknown_commands": "1",
    "smtp_max_synprot_errors": "1",
    "smtputf8_advertise_hosts": "*",
    "tls_advertise_hosts": "198.51.100.10",
    "tls_certificate": "/etc/exim4/certificate.pem",
    "ignore_bounce_errors_after": "2d",
}
NEVER = {"retry": "* * F,1s,1s\n"}


def story(exim: Exim, remote: dict) -> None:
    """Every step ends when its lines are in the log."""
    log = Story(exim)
    recipients = Replies(remote)

    # An ordinary morning: everything is delivered.
    for sender in ("alice", "bob"):
        log.send(f"{sender}@example.net", f"friend of {sender}'s",
                 ["friend@example.com"])
    log.send("carol@example.net", "two at once",
             ["one@example.org", "two@example.org"])
    log.wait("=> friend@example.com.*mx1.example.com", 2)
    log.wait("-> two@example.org")
    for to in ("alice", "info", "ticket", "archive", "trash", "forward"):
        log.send("friend@example.com", "within", [f"{to}@example.net"],
                 source=STRANGER, helo="stranger.example.org")
    log.wait("=> someone@freemail.example <forward@example.net>")
    log.wait("[=-]> alice .*T=local_delivery", 2)
    for user in ("www-data", "alice"):
        exim.submit("ceo@example.net", "friend@example.com", user=user)
    exim.submit("root@nc027.example.net", "alice@example.net")
    log.wait("U=www-data ")
    log.completed(12)

    # Accounts, and how to fail with one.
    log.send("alice@example.net", "authenticated", ["friend@example.com"],
             source=STRANGER, login=("alice@example.net", "cheshire"))
    log.send("bob@example.net", "on TLS", ["friend@example.com"], tls=True,
             login=("bob", "cheshire"))
    log.wait("A=(plain|login)_server:", 2)
    log.failed_login(STRANGER, "AUTH PLAIN " + _b64("\0alice\0wrong"))
    log.failed_login(STRANGER, "AUTH LOGIN", _b64("bob@example.net"),
                     _b64("wrong"))
    log.failed_login(STRANGER, "AUTH LOGIN", _b64("a, b (set_id=ceo)"),
                     _b64("wrong"))
    log.failed_login(STRANGER, "AUTH LOGIN", _b64("carol"), _b64("broken"))
    log.failed_login(STRANGER, "AUTH PLAIN !!!")
    log.wait("authenticator failed", 5)

    # A user who does not exist, in one message with one who does; one at home.
    log.send("alice@example.net", "half", ["friend@example.com",
                                           "nobody@example.com"])
    log.wait(r"\*\* nobody@example.com")
    log.send("alice@example.net", "", ["info@nowhere.example"], code=250)
    log.wait(r"\*\* info@nowhere.example")
    exim.submit("", "left@example.net", user="bob")
    log.wait(r"\*\* left@example.net")
    log.wait("<= <> R=", 2)

    # Greylisting, a full mailbox, a refused connection, a busy server.
    log.send("carol@example.net", "grey", ["grey@example.org"])
    log.send("carol@example.net", "full", ["full@example.org"])
    log.send("bob@example.net", "gone", ["info@gone.example"], 2)
    log.send("alice@example.net", "busy", ["info@busy.example"], 2)
    log.send("alice@example.net", "moved", ["later@example.net"])
    log.wait("== ", 7)

    # The first server of example.com turns away, the second takes it.
    remote["mx1"].greeting = "421 4.3.2 mx1.example.com Service shutting down"
    log.send("alice@example.net", "second", ["friend1@example.com"])
    log.wait("=> friend1@example.com.*mx2.example.com")
    remote["mx1"].greeting = "220 mx1.example.com ESMTP"
    # Another hangs up in the middle.
    log.send("alice@example.net", "drop", ["info@drop.example"])
    log.wait("== info@drop.example")

    # A provider blocks the address; forwarded mail fails as well.
    recipients["*@freemail.example"] = (
        "550 5.7.606 Access denied, banned sending IP [203.0.113.27]. To "
        "request removal from this list please visit "
        "https://sender.freemail.example/ and follow the directions")
    for number in range(4):
        log.send("bob@example.net", "news",
                 [f"reader{number}@freemail.example"])
    log.send("friend@example.com", "forwarded", ["forward@example.net"],
             source=STRANGER, helo="stranger.example.org")
    log.wait(r"\*\* .*5.7.606", 5)
    recipients["*@freemail.example"] = (
        "421 4.7.28 Our system has detected an unusual rate of mail\n421 "
        "4.7.28 originating from your IP address 203.0.113.27")
    log.send("bob@example.net", "news", ["late@freemail.example"])
    log.wait("== late@freemail.example")
    recipients.pop("*@freemail.example")
    remote["org"].after_data["spamtrap@*"] = (
        "554 5.7.1 Message rejected as spam by Content Filtering")
    log.send("bob@example.net", "spam", ["spamtrap@example.org"])
    log.wait("after end of data")

    # A bounce that nobody takes is frozen.
    log.send("ghost@example.com", "ghost", ["nobody@example.com"])
    recipients["ghost@*"] = "550 5.1.1 no such user"
    log.send("ghost@example.com", "ghost", ["nobody@example.com"])
    log.wait("Frozen|frozen")

    # Cut-through, what is only said to be refused, a queue with a name.
    log.send("alice@example.net", "through", ["through@example.com"])
    log.wait(">> through@example.com")
    log.send("alice@example.net", "fake", ["fake@example.com"], code=550)
    log.send("alice@example.net", "to the list", ["list@example.com"])
    log.wait("list@example.com", 1)
    # Addresses that try the reader.
    log.send('"a b> H=x [192.0.2.1]"@example.net', 'it said "A=x:ceo"',
             ['"c => d"@example.com'])
    log.wait('=> c => d@example.com')
    log.send("jörg@example.net", "grüße", ["jürgen@example.com"], utf8=True)
    log.wait("=> j.*rgen@example.com")
    log.send("alice@example.net", "a long subject " * 60,
             [f"friend{number}@example.com" for number in range(5)])
    log.wait("[=-]> friend4@example.com")

    strangers(log)

    # What staff does.
    held = log.send("carol@example.net", "full", ["full@example.org"], 4)
    log.wait("== full@example.org", 5)
    exim.message("-Mf", held[0], held[1])
    exim.message("-Mt", held[1])
    exim.message("-Mrm", held[1])
    exim.message("-Mar", held[2], "grey@example.org")
    exim.message("-Mmd", held[2], "full@example.org")
    exim.message("-Mes", held[2], "bob@example.net")
    exim.message("-Mg", held[3])
    log.wait(f"{held[1]} (removed|Completed)", 1)
    log.wait(f"{held[3]} ", 3)

    # The second attempt: greylisting passes, others wait on.
    recipients.pop("grey@*")
    exim.flush()
    log.wait("=> grey@example.org")
    log.wait("=> late@freemail.example")
    # Days later: what still waits is given up.
    exim.configure(sections=NEVER)
    exim.run("sleep", "1.2")
    exim.flush()
    exim.flush("-qff")
    log.wait("retry timeout exceeded|long failure period")
    exim.message("-Mrm", *[m.id for m in exim.queue()] or ["-"])


def strangers(log: "Story") -> None:
    log.refused("spammer@example.org", "victim@example.com", STRANGER)
    log.refused("someone@example.org", "retired@example.net", STRANGER)
    log.refused("someone@example.org", "carol@example.net", STRANGER)
    log.refused("someone@example.org", "nosuch@example.net", STRANGER)
    log.refused("someone@spam.example", "alice@example.net", STRANGER)
    log.refused("someone@example.org", '"a|b"@example.net', STRANGER)
    log.refused("big@example.org", "alice@example.net", STRANGER, size=999999)
    log.refused("bot@example.org", "alice@example.net", NAMELESS,
                helo="bad name!")
    log.send("friend@example.com", "from nowhere", ["bob@example.net"],
             source=NAMELESS, helo="mail.example.org")
    log.send("friend@example.com", "casino", ["bob@example.net"],
             source=NAMELESS, helo="mail.example.org", code=550)
    hello = "EHLO stranger.example.org"
    talk = log.talk
    talk(BANNED)
    talk(STRANGER, hello, "MAIL FROM:<someone@example.org>",
         "RCPT TO:<bob@example.net>")
    talk(STRANGER, hello, "MAIL FROM:<someone@example.org>",
         "RCPT TO:<bob@example.net>", "DATA", "Subject: half")
    talk(STRANGER, hello, "FOO", "BAR", "BAZ")
    talk(STRANGER, hello, "MAIL FROM: someone@example.org>", "RCPT TO:<>",
         "RCPT TO:<x", "DATA")
    talk(STRANGER, hello, "VRFY alice", "ETRN #x", "QUIT")
    talk(STRANGER, hello, "QUIT")
    talk(STRANGER, early=b"EHLO early.example.org\r\nMAIL FROM:<>\r\n")
    talk(STRANGER, hello, "MAIL FROM:<someone@example.org>",
         *[f"RCPT TO:<{user}@example.net>" for user in
           ("alice", "bob", "alice", "bob", "alice", "bob")], "QUIT")
    talk(STRANGER, hello, wait=True)
    talk(STRANGER, hello, "MAIL FROM:<someone@example.org>",
         "RCPT TO:<bob@example.net>", "DATA", "Subject: slow", wait=True)


class Replies:
    """The same table at every server."""

    def __init__(self, remote):
        self._tables = [sink.replies for sink in remote.values()]

    def __setitem__(self, pattern, reply):
        for table in self._tables:
            table[pattern] = reply

    def pop(self, pattern):
        for table in self._tables:
            table.pop(pattern, None)


class Story:
    """Sends from a client, then waits for what the log must say, of this
    life of Exim."""

    def __init__(self, exim: Exim):
        self._exim = exim
        self._begun = len(exim.log_lines())

    def wait(self, pattern, number=1):
        def there():
            found = [line for line in self._exim.log_lines()[self._begun:]
                     if re.search(pattern, line)]
            return len(found) >= number
        try:
            wait_until(there, f"{number} of {pattern!r}", 8)
        except Exception:
            print("\n".join(self._exim.log_lines()[-30:]), file=sys.stderr)
            raise

    def completed(self, number):
        self.wait(" Completed", number)

    def send(self, sender, subject, to, n=1, *, source=OFFICE,
             helo="office.example.net", login=None, tls=False, utf8=False,
             code=250):
        ids = []
        with self._client(source, helo) as client:
            if tls:
                client.starttls()
                client.ehlo()
            if login:
                client.user, client.password = login
                client.auth("LOGIN" if tls else "PLAIN",
                            client.auth_login if tls else client.auth_plain)
            if utf8:
                client.command_encoding = "utf-8"
            for number in range(n):
                text = (f"From: <{sender}>\r\nTo: {', '.join(to)}\r\n"
                        f"Subject: {subject}\r\n\r\nHello {number}.\r\n")
                client.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"] if utf8
                            else [])
                for recipient in to:
                    got, words = client.rcpt(recipient)
                    if got != 250:
                        raise RuntimeError(f"{recipient}: {words}")
                got, words = client.data(text.encode())
                if got != code:
                    raise RuntimeError(f"{sender}: {got} {words}")
                if code == 250:
                    ids.append(words.decode().split("id=")[1])
                    self.wait(f"{ids[-1]} <= ")
        return ids

    def refused(self, sender, to, source, *, helo="stranger.example.org",
                size=None):
        with self._client(source, helo, ehlo=False) as client:
            code, _ = client.ehlo()
            if code == 250:
                code, _ = client.mail(sender, [f"SIZE={size}"] if size else [])
            if code == 250:
                code, _ = client.rcpt(to)
        if code < 400:
            raise RuntimeError(f"{sender} to {to} from {source}: {code}")

    def failed_login(self, source, *lines):
        self.talk(source, "EHLO stranger.example.org", *lines, "QUIT")

    def talk(self, source, *lines, early=b"", wait=False):
        """Says line after line, hears the answers, and hangs up, or waits
        until Exim does."""
        with socket.create_connection((SERVER, 25), 30, source_address=(
                source, 0)) as connection:
            stream = connection.makefile("rwb")
            connection.sendall(early)
            with contextlib.suppress(OSError):
                _hear(stream)
                data = False
                for line in lines:
                    stream.write(line.encode() + b"\r\n")
                    stream.flush()
                    if not data:
                        _hear(stream)
                    data = data or line == "DATA"
                if wait:
                    stream.read()

    def _client(self, source, helo, ehlo=True):
        client = smtplib.SMTP(SERVER, 25, local_hostname=helo, timeout=30,
                              source_address=(source, 0))
        if ehlo:
            client.ehlo()
        return client


def _hear(stream) -> bytes:
    while True:
        line = stream.readline()
        if not line or line[3:4] != b"-":
            return line


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _certificate(directory: pathlib.Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "3650", "-subj", "/CN=nc027.example.net", "-keyout", "key.pem",
         "-out", "certificate.pem"], cwd=directory, check=True,
        capture_output=True)
    file = directory / "certificate.pem"
    file.write_text(file.read_text() + (directory / "key.pem").read_text())


def record(directory: pathlib.Path, selectors: str, remote: dict,
           syslog: bool) -> str:
    etc = directory / "etc"
    etc.mkdir(parents=True)
    (etc / "aliases").write_text(ALIASES)
    _certificate(etc)
    home = directory / "home"
    home.mkdir()
    home.chmod(0o777)
    with contextlib.ExitStack() as stack:
        binds, settings = [], dict(SETTINGS, log_selector=selectors)
        if syslog:
            file = stack.enter_context(SyslogFile(
                directory / "mail.log", iso=False))
            binds.append(file.bind())
            settings["log_file_path"] = "/srv/mail/log/%slog : syslog"
        exim = stack.enter_context(Exim(
            directory, relay=remote["mx1"], routes=ROUTES, hosts=HOSTS,
            settings=settings, host=SERVER, port=25, binds=binds, sections={
                "acl": ACL, "routers": ROUTERS, "transports": TRANSPORTS,
                "authenticators": AUTHENTICATORS}))
        story(exim, remote)
        exim.stop()
        return file.text() if syslog else exim.log_path.read_text()


def servers(stack: contextlib.ExitStack) -> dict:
    def sink(host, ip, **tables):
        return stack.enter_context(SmtpSink(
            name=host, greeting=f"220 {host} ESMTP", host=ip, port=25,
            **tables))
    unknown = ("550 5.1.1 <nobody@example.com>: Recipient address "
               "rejected: User unknown in virtual mailbox table")
    remote = {
        "mx1": sink("mx1.example.com", "192.0.2.10",
                    replies={"nobody@*": unknown}),
        "mx2": sink("mx2.example.com", "192.0.2.11",
                    replies={"nobody@*": unknown}),
        "org": sink("mx.example.org", "192.0.2.20", replies={
            "grey@*": "451 4.7.1 <grey@example.org>: Recipient address "
                      "rejected: Greylisted, see "
                      "http://postgrey.example.org/help/example.org.html",
            "full@*": "452 4.2.2 <full@example.org>: Recipient address "
                      "rejected: Mailbox full"}),
        "freemail": sink("mx.freemail.example", "192.0.2.30"),
        "busy": sink("mx.busy.example", "192.0.2.50"),
        "drop": sink("mx.drop.example", "192.0.2.60", default=None),
    }
    remote["busy"].greeting = ("421 4.7.0 mx.busy.example Error: too many "
                               "connections from 203.0.113.27")
    return remote


def main() -> None:
    documentation_network.enter()
    target = pathlib.Path(sys.argv[1]) if sys.argv[1:] else DEFAULT
    logs = {"exim_story.log": "", "exim_syslog_story.log": ""}
    with tempfile.TemporaryDirectory() as directory:
        for name, selectors in SELECTORS.items():
            for file in logs:
                if "syslog" in file and name != "recommended":
                    continue
                with contextlib.ExitStack() as stack:
                    logs[file] += record(
                        pathlib.Path(directory) / f"{name}-{file}", selectors,
                        servers(stack), "syslog" in file)
    for file, log in logs.items():
        documentation_network.check(log)
        (target / file).write_text(log)
        print(f"{target / file}: {log.count(chr(10))} lines")


if __name__ == "__main__":
    main()
