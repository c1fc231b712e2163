#!/usr/bin/python3
"""Records tests/testdata/logs/postfix_story.log: a real Postfix lives through
an ordinary hour of a mail server within seconds. Run it again to have a new
one; queue ids, process ids and times differ then, the story does not.

    sudo tests/real/record_postfix_log.py [FILE]
"""

import contextlib
import pathlib
import smtplib
import socket
import sys
import tempfile

import documentation_network
from postfix import Postfix
from private_root import wait_until
from smtp_sink import SmtpSink

DEFAULT = (pathlib.Path(__file__).resolve().parents[1] /
           "testdata/logs/postfix_story.log")

SERVER = "203.0.113.27"
OFFICE = "198.51.100.10"     # a customer's, may relay
NEWSLETTER = "198.51.100.20"  # another's
STRANGER = "192.0.2.200"
NAMELESS = "192.0.2.201"

HOSTS = {
    "office.example.net": OFFICE,
    "newsletter.example.net": NEWSLETTER,
    "stranger.example.org": STRANGER,
    "mx1.example.com": "192.0.2.10",
    "mx2.example.com": "192.0.2.11",
    "mx.example.org": "192.0.2.20",
    "mx.freemail.example": "192.0.2.30",
    "mx.gone.example": "192.0.2.40",
    "mx.busy.example": "192.0.2.50",
    "mailbox.example.net": "198.51.100.50",
}
TRANSPORTS = {
    "example.com": "smtp:[mx1.example.com]:25, [mx2.example.com]:25",
    "example.org": "smtp:[mx.example.org]:25",
    "freemail.example": "smtp:[mx.freemail.example]:25",
    "gone.example": "smtp:[mx.gone.example]:25",
    "busy.example": "smtp:[mx.busy.example]:25",
    "nowhere.example": "error:5.1.2 Domain nowhere.example does not exist",
    "example.net": "relay:[mailbox.example.net]:25",
}
SETTINGS = {
    # It counts an interface's own addresses only, not the prefix.
    "inet_interfaces": "all",
    "smtp_bind_address": SERVER,
    "mynetworks": f"{SERVER} {OFFICE} {NEWSLETTER}",
    "relay_domains": "example.net",
    "virtual_alias_maps":
        "inline:{{forward@example.net = someone@freemail.example}}",
    "smtpd_sender_restrictions":
        "check_sender_access inline:{{suspect@example.net = HOLD under "
        "investigation}}",
    "smtpd_helo_required": "yes",
    "smtpd_helo_restrictions": "permit_mynetworks, "
                               "reject_invalid_helo_hostname",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    "smtpd_recipient_restrictions":
        "check_recipient_access inline:{{retired@example.net = REJECT no "
        "longer here}}, warn_if_reject reject_unknown_client_hostname",
    "message_size_limit": "20480",
}


def story(postfix: Postfix, remote: dict) -> None:
    """Every step ends when its lines are in the log."""
    log = Story(postfix)

    # An ordinary morning: everything is delivered.
    for sender in ("alice", "bob", "carol"):
        for number in range(4):
            log.send(f"{sender}@example.net", f"friend{number}@example.com")
        log.send(f"{sender}@example.net",
                 ["one@example.org", "two@example.org"])
    log.wait(r"status=sent", 18)
    log.wait(r": removed$", 15)
    postfix.submit("root@nc027.example.net", "alice@example.net",
                   body="From cron.\n")
    log.wait("relay=mailbox.example.net.*status=sent")

    # A user who does not exist, in one message with one who does.
    log.send("alice@example.net", ["friend@example.com", "nobody@example.com"])
    log.wait("to=<nobody@example.com>.*status=bounced")
    log.wait("sender non-delivery notification")
    log.wait("to=<alice@example.net>.*status=sent", 2)
    log.refused("bob@example.net", "info@nowhere.example", OFFICE,
                helo="office.example.net")
    postfix.submit("bob@example.net", "info@nowhere.example")
    log.wait("to=<info@nowhere.example>.*status=bounced")

    # Greylisting, a full mailbox, a refused connection, a busy server.
    log.send("carol@example.net", "grey@example.org")
    log.send("carol@example.net", "full@example.org")
    log.send("bob@example.net", "info@gone.example", 3)
    log.send("alice@example.net", "info@busy.example", 2)
    log.wait("status=deferred", 7)

    # The first server of example.com turns away, the second takes it.
    remote["mx1"].greeting = "421 4.3.2 mx1.example.com Service shutting down"
    log.send("alice@example.net", "friend1@example.com")
    log.wait("refused to talk to me: 421")
    log.wait("relay=mx2.example.com.*status=sent")
    remote["mx1"].greeting = "220 mx1.example.com ESMTP"
    # ... and one that hangs up in the middle.
    remote["mx1"].replies["drop@*"] = None
    log.send("alice@example.net", "drop@example.com")
    log.wait("lost connection with mx1.example.com.*while sending RCPT TO")
    log.wait("to=<drop@example.com>.*status=sent")

    # A newsletter to free mail; the provider blocks the address.
    log.send("news@example.net", "reader1@freemail.example", 3,
             source=NEWSLETTER)
    log.wait("to=<reader1@freemail.example>.*status=sent", 3)
    remote["freemail"].replies["*"] = (
        "550 5.7.606 Access denied, banned sending IP [203.0.113.27]. To "
        "request removal from this list please visit "
        "https://sender.freemail.example/ and follow the directions")
    for number in range(8):
        log.send("news@example.net", f"reader{number}@freemail.example",
                 source=NEWSLETTER)
    log.wait("5.7.606.*", 8)
    log.wait("to=<news@example.net>.*status=sent", 8)
    # Mail that comes in and is forwarded there fails as well.
    log.send("friend@example.com", "forward@example.net", source=STRANGER,
             helo="stranger.example.org")
    log.wait("orig_to=<forward@example.net>.*status=bounced")
    log.wait("to=<friend@example.com>.*status=sent")
    remote["freemail"].replies["*"] = (
        "421 4.7.28 Our system has detected an unusual rate of mail "
        "originating from your IP address 203.0.113.27")
    log.send("news@example.net", "late@freemail.example", 2, source=NEWSLETTER)
    log.wait("to=<late@freemail.example>.*status=deferred", 2)

    # Refused for what it says, after the whole message.
    remote["org"].after_data["spamtrap@*"] = (
        "554 5.7.1 Message rejected as spam by Content Filtering")
    log.send("bob@example.net", "spamtrap@example.org")
    log.wait("end of DATA command.*", 1)

    # Strangers.
    log.refused("spammer@example.org", "victim@example.com", STRANGER)
    log.refused("someone@example.org", "retired@example.net", STRANGER)
    log.refused("bot@example.org", "alice@example.net", NAMELESS,
                helo="-bad-name-")
    log.send("friend@example.com", "bob@example.net", source=NAMELESS,
             helo="mail.example.org")
    log.wait("reject_warning: RCPT from unknown")
    log.refused("big@example.org", "alice@example.net", STRANGER, size=999999)
    log.leave_in_the_middle(STRANGER)
    log.wait("lost connection after RCPT")

    # An account under investigation, and what staff does with its mail.
    held = log.send("suspect@example.net", "target@example.com", 3)
    log.wait(": hold: RCPT", 3)
    postfix.release(held[0])
    postfix.remove(held[1])
    log.wait(f"{held[1]}: removed")
    waiting = log.send("carol@example.net", "full@example.org")
    log.wait("to=<full@example.org>.*status=deferred", 2)
    postfix.hold(waiting[0])
    log.wait(f"{waiting[0]}: placed on hold")

    # The second attempt: greylisting passes, others wait on.
    remote["org"].replies.pop("grey@*")
    remote["freemail"].replies.clear()
    postfix.flush()
    log.wait("to=<grey@example.org>.*status=sent")
    log.wait("to=<late@freemail.example>.*status=sent", 2)
    log.wait("to=<info@gone.example>.*status=deferred", 6)
    log.wait("to=<target@example.com>.*status=sent")

    # Days later: what still waits is given up. No lifetime means one attempt.
    postfix.configure({"maximal_queue_lifetime": "0",
                       "bounce_queue_lifetime": "0"})
    postfix.flush()
    log.wait("status=expired, returned to sender", 6)
    wait_until(lambda: all(message["queue_name"] == "hold"
                           for message in postfix.queue()),
               "a queue of nothing but held mail")

    # A restart, and on.
    postfix.stop()
    postfix.configure({"maximal_queue_lifetime": "5d",
                       "bounce_queue_lifetime": "5d"})
    postfix.start()
    log.send("alice@example.net", "friend1@example.com")
    log.wait("to=<friend1@example.com>.*status=sent", 5)
    log.wait(": removed$")
    postfix.stop()


class Story:
    """Sends from a client, then waits for what the log must say."""

    def __init__(self, postfix: Postfix):
        self._postfix = postfix

    def send(self, sender, to, n=1, *, source=OFFICE,
             helo="office.example.net"):
        ids = self._postfix.send(sender, to, n, source=source, helo=helo)
        for queue_id in ids:
            self.wait(rf"qmgr\[\d+\]: {queue_id}: from=|{queue_id}: .*\bhold\b|"
                      rf"cleanup\[\d+\]: {queue_id}: message-id=")
        return ids

    def refused(self, sender, to, source, *, helo="stranger.example.org",
                size=None):
        with smtplib.SMTP(self._postfix.host, self._postfix.port,
                          local_hostname=helo, timeout=30,
                          source_address=(source, 0)) as client:
            client.ehlo()
            options = [f"SIZE={size}"] if size else []
            code, _ = client.mail(sender, options)
            if code == 250:
                code, _ = client.rcpt(to)
        if code < 500:
            raise RuntimeError(f"{sender} to {to} from {source}: {code}")

    def leave_in_the_middle(self, source):
        with socket.create_connection(
                (self._postfix.host, self._postfix.port), 30,
                source_address=(source, 0)) as connection:
            stream = connection.makefile("rwb")
            stream.readline()
            for line in (b"HELO stranger.example.org",
                         b"MAIL FROM:<someone@example.org>",
                         b"RCPT TO:<bob@example.net>"):
                stream.write(line + b"\r\n")
                stream.flush()
                stream.readline()

    def wait(self, pattern, number=1):
        return self._postfix.wait_for_log(pattern, number)


def main() -> None:
    documentation_network.enter()
    target = pathlib.Path(sys.argv[1]) if sys.argv[1:] else DEFAULT
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())

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
            "mailbox": sink("mailbox.example.net", "198.51.100.50"),
        }
        remote["busy"].greeting = ("421 4.7.0 mx.busy.example Error: too many "
                                   "connections from 203.0.113.27")
        postfix = stack.enter_context(Postfix(
            directory, relay=remote["mx1"], transports=TRANSPORTS,
            hosts=HOSTS, settings=SETTINGS, host=SERVER, port=25))
        story(postfix, remote)
        log = postfix.log_path.read_text()
    documentation_network.check(log)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(log)
    print(f"{target}: {log.count(chr(10))} lines")


if __name__ == "__main__":
    main()
