#!/usr/bin/python3
"""The feeds, read by a program that is not ours: Debian's feedparser. The files
are the golden ones that the views are compared with byte by byte."""

import json
import pathlib
import sys

import private_root
from private_root import Bind
from runner import RealTest, main

GOLDEN = (pathlib.Path(__file__).resolve().parents[1] /
          "collector/view/testdata")

# Inside the root; prints what a feed reader makes of a feed.
READ = """
import feedparser, json, sys
feed = feedparser.parse("/srv/" + sys.argv[1])
print(json.dumps({
    "broken": bool(feed.bozo), "why": repr(feed.get("bozo_exception")),
    "version": feed.version, "title": feed.feed.title, "link": feed.feed.link,
    "entries": [{
        "id": entry.id, "title": entry.title, "link": entry.link,
        "at": list(entry.get("published_parsed") or ())[:6],
        "tags": [tag.term for tag in entry.get("tags", [])],
        "text": (entry.content[0].value if "content" in entry
                 else entry.summary),
    } for entry in feed.entries]}))
"""


def read(name: str) -> dict:
    root = private_root.ensure("feedparser")
    done = root.run(["/usr/bin/python3", "-c", READ, name],
                    binds=[Bind(GOLDEN, "/srv", writable=False)])
    return json.loads(done.stdout)


class FeedsTest(RealTest):
    ENTRIES = [
        {"id": "tag:status.example.net,2026-01-01:posts/2",
         "title": "NC027: No data",
         "link": "https://status.example.net/posts/2",
         "at": [2026, 3, 14, 12, 42, 3], "tags": ["NC027"],
         "text": "<p>The last report came at 12:41:03 UTC.</p>"},
        {"id": "tag:status.example.net,2026-01-01:posts/1",
         "title": "NC030: Degraded",
         "link": "https://status.example.net/posts/1",
         "at": [2026, 3, 14, 11, 53, 3], "tags": ["NC030"],
         "text": "<p>Mail waits longer than usual.</p>"
                 "<p>Nothing is lost.</p>"},
    ]

    def test_both_say_the_same_to_another_reader(self):
        for name, version in (("feed.atom", "atom10"), ("feed.rss", "rss20")):
            with self.subTest(name):
                feed = read(name)
                self.assertFalse(feed["broken"], feed["why"])
                self.assertEqual(feed["version"], version)
                self.assertEqual(feed["title"],
                                 "Northern Lights Mail: systems status")
                self.assertEqual(feed["link"], "https://status.example.net/")
                self.assertEqual(feed["entries"], self.ENTRIES)


if __name__ == "__main__":
    sys.exit(main())
