#!/usr/bin/python3
"""`mailvane-agent blocklist` and real lists, as rbldnsd serves them.

    sudo tests/real/blocklist_test.py [Class[.test] …]

The last line is "N passed, N failed", and the exit status is 1 when any did.
"""

import json
import sys

from mailvane import run
from rbldnsd import Rbldnsd
from runner import RealTest, main

TEST_POINT = ":127.0.0.2:see http://lists.example/$\n127.0.0.2\n"
WORLD = "0.0.0.0/0"
GOOD = [("ip4set", TEST_POINT + "198.51.100.7 :127.0.0.4:spam from $\n"),
        ("ip6trie", ":127.0.0.2:six $\n::ffff:127.0.0.2\n2001:db8::25\n")]


class BlocklistTest(RealTest):

    def ask(self, lists, zones, *subjects):
        """Exit status, verdicts by (subject, zone), and the summary."""
        words = [word for zone in zones for word in ("--zone", zone)]
        done = run("mailvane-agent", "blocklist", "--json", "--resolver",
                   lists.address, *words, *subjects)
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(objects[-1]["kind"], "summary", done.stderr)
        verdicts = {(one.get("address", one.get("domain")), one["zone"]): one
                    for one in objects[:-1]}
        return done.returncode, verdicts, objects[-1]

    def test_listed_and_clean(self):
        with Rbldnsd(self.directory, {"good.example": GOOD}) as lists:
            status, verdicts, _ = self.ask(
                lists, ["good.example"], "198.51.100.7", "198.51.100.8",
                "2001:db8::25", "2001:db8::26")
            self.assertEqual(status, 3)
            told = {subject: one["verdict"]
                    for (subject, _), one in verdicts.items()}
            self.assertEqual(told, {
                "198.51.100.7": "LISTED", "198.51.100.8": "CLEAN",
                "2001:db8::25": "LISTED", "2001:db8::26": "CLEAN"})
            four = verdicts["198.51.100.7", "good.example"]
            self.assertEqual(four["codes"], ["127.0.0.4"])
            self.assertEqual(four["reason"], "spam from 198.51.100.7")
            self.assertEqual(
                self.ask(lists, ["good.example"], "198.51.100.8")[0], 0)

    def test_domains(self):
        zones = {"dom.example": [("dnset", ":127.0.1.2:bad $\ntest\n.spam.example\n")]}
        with Rbldnsd(self.directory, zones) as lists:
            status, verdicts, _ = self.ask(lists, ["dom.example"],
                                           "www.spam.example", "ham.example")
            self.assertEqual(status, 3)
            self.assertEqual(
                verdicts["www.spam.example", "dom.example"]["codes"], ["127.0.1.2"])
            self.assertEqual(
                verdicts["ham.example", "dom.example"]["verdict"], "CLEAN")

    def test_lists_that_can_not_be_believed(self):
        zones = {
            "good.example": GOOD[:1],
            "wild.example": [("ip4trie", ":127.0.0.2:all\n" + WORLD)],
            "silent.example": [("ip4set", ":127.0.0.2:x\n")],
            "refuse.example": [("ip4trie", ":127.255.255.254:open\n" + WORLD)],
            "parked.example": [("ip4trie", ":203.0.113.80:parked\n" + WORLD)],
        }
        with Rbldnsd(self.directory, zones) as lists:
            status, verdicts, summary = self.ask(
                lists, [*zones, "nowhere.example"], "198.51.100.7")
            told = {zone: one["verdict"] for (_, zone), one in verdicts.items()}
            self.assertEqual(told, {
                "good.example": "LISTED", "wild.example": "ZONE_SICK",
                "silent.example": "ZONE_SICK", "refuse.example": "UNKNOWN",
                "parked.example": "ZONE_SICK", "nowhere.example": "UNKNOWN"})
            self.assertEqual(status, 3)
            self.assertEqual(summary["resolver"], "refused")

    def test_a_list_that_turns_wild(self):
        zones = {f"l{number}.example": GOOD[:1] for number in range(60)}
        addresses = [f"198.51.100.{100 + number}" for number in range(50)]
        with Rbldnsd(self.directory, zones) as lists:
            status, verdicts, summary = self.ask(lists, zones, *addresses)
            self.assertEqual((status, summary["clean"]), (0, 3000))
            self.assertEqual(len(verdicts), 3000)
        zones["l17.example"] = [("ip4trie", ":127.0.0.2:all\n" + WORLD)]
        with Rbldnsd(self.directory, zones) as lists:
            status, verdicts, summary = self.ask(lists, zones, *addresses)
            self.assertEqual((status, summary["listed"]), (0, 0))
            self.assertEqual(summary["zone_sick"], 50)


if __name__ == "__main__":
    sys.exit(main())
