#!/usr/bin/python3
"""Records tests/testdata/logs/dovecot_story.log: who logs in at a real Dovecot
by IMAP, POP3 and submission, who does not, and why. Run it again to have a new
one; sessions, process ids and times differ then, the story does not.

    sudo tests/real/record_dovecot_log.py [FILE]
"""

import base64
import contextlib
import imaplib
import pathlib
import poplib
import smtplib
import socket
import subprocess
import sys
import tempfile

import documentation_network
from dovecot import Dovecot
from smtp_sink import SmtpSink

DEFAULT = (pathlib.Path(__file__).resolve().parents[1] /
           "testdata/logs/dovecot_story.log")

SERVER = "203.0.113.27"
PORTS = {"imap": 143, "pop3": 110, "submission": 587}
OFFICE = "198.51.100.10"
PHONE = "198.51.100.77"
STRANGER = "192.0.2.200"
USERS = {"alice@example.net": "cheshire", "bob@example.net": "builder",
         "carol@example.net": "hatter"}
SETTINGS = {
    "auth_failure_delay": "1s",
    "auth_username_chars": "",
    "auth_verbose_passwords": "sha1:6",
    "mail_max_userip_connections": "2",
    "ssl": "yes",
    "ssl_cert": "</srv/mail/etc/certificate.pem",
    "ssl_key": "</srv/mail/etc/key.pem",
}


def story(dovecot: Dovecot) -> None:
    """Every step ends when its lines are in the log."""
    clients = Clients()
    wait = dovecot.wait_for_log

    # An ordinary morning.
    for source in (OFFICE, PHONE):
        for user in USERS:
            clients.imap(source, user, USERS[user])
    clients.imap(OFFICE, "bob@example.net", "builder", tls=True)
    clients.imap(OFFICE, "carol@example.net", "hatter", plain=True)
    clients.pop3(OFFICE, "carol@example.net", "hatter")
    clients.submit(OFFICE, "alice@example.net", "cheshire")
    wait("imap-login: Login:", 8)
    wait("(pop3|submission)-login: Login:", 2)

    # A wrong password, an old setting, a user who does not exist.
    for user, password in (("alice@example.net", "wrong"),
                           ("dave@example.net", "cheshire"),
                           ("alice", "cheshire"),
                           ("a> b, rip=192.0.2.1, x@example.net", "x"),
                           ("", "x")):
        for service in (clients.imap, clients.pop3, clients.submit):
            service(PHONE, user, password, fails=True)
    wait("Password mismatch|unknown user|Empty", 13)
    wait("auth failed, 1 attempts", 12)
    # The same connection tries several times, then succeeds.
    clients.imap(PHONE, "alice@example.net", "cheshire",
                 before=["wrong", "wronger"])

    # Somebody who guesses.
    for password in ("123456", "password", "qwerty", "letmein"):
        clients.submit(STRANGER, "bob@example.net", password, fails=True)
        clients.imap(STRANGER, "info@example.net", password, fails=True)
    wait("bob@example.net,192.0.2.200.*Password mismatch", 4)

    # Nobody tries at all, or not to the end.
    for service in PORTS:
        clients.talk(STRANGER, service)
    clients.talk(STRANGER, "imap", "a LOGOUT")
    clients.talk(STRANGER, "imap", "a AUTHENTICATE PLAIN")
    clients.talk(STRANGER, "imap", "a AUTHENTICATE PLAIN", "*", "b LOGOUT")
    clients.talk(STRANGER, "imap", "a AUTHENTICATE CRAM-MD5", "b LOGOUT")
    clients.talk(STRANGER, "imap", "a AUTHENTICATE PLAIN", "!!!", "b LOGOUT")
    clients.talk(STRANGER, "pop3", "USER alice@example.net", "QUIT")
    clients.talk(STRANGER, "submission", "AUTH LOGIN",
                 base64.b64encode(b"alice@example.net").decode())
    clients.talk(STRANGER, "submission", "QUIT")
    clients.talk(STRANGER, "imap", *["x"] * 20)
    wait("Too many invalid", 1)
    wait("no auth attempts", 5)

    # One who has too many connections open.
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(clients.open_imap(
                OFFICE, "carol@example.net", "hatter"))
        wait("Maximum number of connections")

    # Passwords are only for those who come by TLS; then bob is turned off.
    dovecot.configure({"disable_plaintext_auth": "yes"})
    for service in (clients.imap, clients.pop3, clients.submit):
        service(PHONE, "alice@example.net", "cheshire", fails=True)
    clients.imap(PHONE, "alice@example.net", "cheshire", tls=True)
    wait("disallowed plaintext auth|Plaintext authentication|"
         "tried to use disallowed", 1)
    users = dovecot.config / "users"
    dovecot.configure({"disable_plaintext_auth": "no"})
    users.write_text(users.read_text().replace(
        "{PLAIN}builder", "{PLAIN}builder::::::nologin reason=gone"))
    clients.imap(PHONE, "bob@example.net", "builder", fails=True)
    wait("internal failure, 1 successful auths|disabled.*bob@example.net")
    dovecot.stop()
    wait("master: Warning: Killed with signal 15|shutting down", 1)


class Clients:
    """Mail programs, each call one connection. Those that shall fail must."""

    def imap(self, source, user, password, *, fails=False, tls=False,
             plain=False, before=()):
        with self.open_imap(source) as client, self._outcome(
                fails, imaplib.IMAP4.error):
            if tls:
                client.starttls(_trusting())
            for wrong in before:
                with self._outcome(True, imaplib.IMAP4.error):
                    client.login(_quoted(user), wrong)
            if plain:
                client.authenticate("PLAIN", lambda _: (
                    f"\0{user}\0{password}".encode()))
            else:
                client.login(_quoted(user), password)

    @contextlib.contextmanager
    def open_imap(self, source, user="", password=""):
        class From(imaplib.IMAP4):
            def _create_socket(self, timeout):
                return socket.create_connection(
                    (self.host, self.port), 30, source_address=(source, 0))
        client = From(SERVER, PORTS["imap"])
        try:
            if user:
                with contextlib.suppress(imaplib.IMAP4.error):
                    client.login(_quoted(user), password)
            yield client
        finally:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                client.logout()

    def pop3(self, source, user, password, *, fails=False):
        class From(poplib.POP3):
            def _create_socket(self, timeout):
                return socket.create_connection(
                    (self.host, self.port), 30, source_address=(source, 0))
        client = From(SERVER, PORTS["pop3"])
        with self._outcome(fails, poplib.error_proto):
            client.user(user)
            client.pass_(password)
        with contextlib.suppress(poplib.error_proto, OSError):
            client.quit()

    def submit(self, source, user, password, *, fails=False):
        with smtplib.SMTP(SERVER, PORTS["submission"], timeout=30,
                          local_hostname="client.example.net",
                          source_address=(source, 0)) as client:
            with self._outcome(fails, smtplib.SMTPException):
                client.ehlo()
                client.user, client.password = user, password
                client.auth("PLAIN", client.auth_plain)
                client.sendmail(user, ["friend@example.com"],
                                f"From: <{user}>\r\nSubject: x\r\n\r\nx\r\n")

    def talk(self, source, service, *lines):
        """Says line after line, and hangs up."""
        with socket.create_connection(
                (SERVER, PORTS[service]), 30,
                source_address=(source, 0)) as connection:
            stream = connection.makefile("rwb")
            with contextlib.suppress(OSError):
                stream.readline()
                if service == "submission":
                    lines = ("HELO stranger.example.org", *lines)
                for line in lines:
                    stream.write(line.encode() + b"\r\n")
                    stream.flush()
                    stream.readline()

    @contextlib.contextmanager
    def _outcome(self, fails, error):
        try:
            yield
        except error:
            if not fails:
                raise
        else:
            if fails:
                raise RuntimeError("it was let in")


def _quoted(user: str) -> str:
    return '"' + user.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _trusting():
    import ssl
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def main() -> None:
    documentation_network.enter()
    target = pathlib.Path(sys.argv[1]) if sys.argv[1:] else DEFAULT
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "etc").mkdir()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "3650", "-subj", "/CN=nc027.example.net", "-keyout",
             "key.pem", "-out", "certificate.pem"], cwd=directory / "etc",
            check=True, capture_output=True)
        sink = stack.enter_context(SmtpSink(
            name="nc027.example.net", host=SERVER, port=25))
        dovecot = stack.enter_context(Dovecot(
            directory, relay=sink, users=USERS, settings=SETTINGS,
            host=SERVER, ports=PORTS))
        story(dovecot)
        log = dovecot.log_path.read_text()
    documentation_network.check(log)
    target.write_text(log)
    print(f"{target}: {log.count(chr(10))} lines")


if __name__ == "__main__":
    main()
