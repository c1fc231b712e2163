#!/usr/bin/python3
"""CPU seconds that a queue costs: ours beside the mail programs' own tools and a
bare walk of the directories, in one run, warm caches, the best of three.

    bazel build -c opt --copt=-O2 //tests/bench:queue_bench
    sudo tests/bench/queue_bench.py [MESSAGES …]        default: 10000 100000

The queue is written as files in the programs' formats, as they were seen of a
real Postfix 3.7 and Exim 4.96, without their being asked; their tools then read
it. A tool's CPU time is its own and that of whatever daemon works for it.
"""

import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))

from exim import USER as EXIM_USER  # noqa: E402
from exim import Exim  # noqa: E402
from postfix import Postfix  # noqa: E402

PROGRAM = HERE.parents[1] / "bazel-bin/tests/bench/queue_bench"
RUNS = 3
REASON = (b"host mx.example.com[192.0.2.9] said: 451 4.7.1 Greylisted, try again "
          b"later (in reply to RCPT TO command)")


def record(kind: bytes, data: bytes) -> bytes:
    length, out = len(data), kind
    while True:
        byte, length = length & 0x7f, length >> 7
        out += bytes([byte | (0x80 if length else 0)])
        if not length:
            return out + data


def fill_postfix(spool: pathlib.Path, number: int, rng: random.Random) -> None:
    now = int(time.time())
    for hashed in "0123456789ABCDEF":
        for name in ("deferred", "defer"):
            path = spool / name / hashed
            path.mkdir(exist_ok=True)
            os.chown(path, 101, 101)
            path.chmod(0o700)
    for i in range(number):
        name = f"{rng.randrange(16):X}{i:09X}"
        arrived = now - rng.randrange(400_000)
        to = b"user%d@d%d.example" % (i, i % 500)
        body = b"x" * 70
        text = b"".join([
            record(b"C", b"%15d %15d %15d %15d %15d %15d" % (
                1000, 700, 1, 0, 1000, 0)),
            record(b"T", b"%d 123456" % arrived),
            record(b"A", b"log_client_name=client.example.net"),
            record(b"A", b"log_client_address=198.51.100.10"),
            record(b"A", b"create_time=%d" % arrived),
            record(b"S", b"sender%d@example.net" % (i % 300)),
            record(b"A", b"dsn_orig_rcpt=rfc822;" + to),
            record(b"O", to), record(b"R", to), record(b"M", b""),
            *[record(b"N", body) for _ in range(rng.randrange(5, 60))],
            record(b"X", b""), record(b"E", b"")])
        file = spool / "deferred" / name[0] / name
        file.write_bytes(text)
        file.chmod(0o700)
        os.chown(file, 101, 101)
        defer = spool / "defer" / name[0] / name
        defer.write_bytes(
            b"<%s>: %s\nrecipient=%s\noffset=500\ndsn_orig_rcpt=rfc822;%s\n"
            b"status=4.7.1\naction=delayed\nreason=%s\n\n" % (
                to, REASON, to, to, REASON))
        defer.chmod(0o600)
        os.chown(defer, 101, 101)


ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number: int, digits: int) -> str:
    out = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        out = ALPHABET[digit] + out
    return out


def fill_exim(spool: pathlib.Path, number: int, rng: random.Random) -> None:
    now = int(time.time())
    for hashed in ALPHABET:
        for name in ("input", "msglog"):
            path = spool / name / hashed
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, EXIM_USER, EXIM_USER)
    for i in range(number):
        arrived = now - rng.randrange(400_000)
        name = f"{base62(arrived, 6)}-{base62(i, 6)}-00"
        to = f"user{i}@d{i % 500}.example"
        headers = (f"Received: from client.example.net\n\tby nc027.example.net\n",
                   f"From: <sender{i % 300}@example.net>\n", f"To: {to}\n",
                   f"Subject: message number {i}\n")
        folder = spool / "input" / name[5]
        (folder / f"{name}-H").write_text(
            f"{name}-H\nDebian-exim 105 105\n<sender{i % 300}@example.net>\n"
            f"{arrived} 0\n-received_time_usec .123456\n"
            "--helo_name client.example.net\n-host_address [198.51.100.10]:4711\n"
            "-received_protocol esmtp\n-body_linecount 10\n"
            "-max_received_linelength 70\n-host_lookup_deferred\nXX\n1\n"
            f"{to}\n\n" + "".join(f"{len(h):03}  {h}" for h in headers))
        (folder / f"{name}-D").write_text(
            f"{name}-D\n" + ("x" * 70 + "\n") * rng.randrange(5, 60))
        (spool / "msglog" / name[5] / name).write_text(
            f"2026-11-24 23:56:38 {to} R=r T=t defer (-44) H=mx.example.com "
            "[192.0.2.9]: SMTP error from remote mail server after RCPT "
            f"TO:<{to}>: 451 4.7.1 Greylisted, try again later\n")


def ticks(space: str) -> float:
    """CPU seconds of all that runs, or has run, in a process namespace."""
    total = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            if os.readlink(stat.parent / "ns/pid") != space:
                continue
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def cost(server, *argv: str) -> float:
    """Of a command beside the server, and of what its daemons did for it."""
    best = float("inf")
    space = os.readlink(f"/proc/{server._inside.pid}/ns/pid")
    for _ in range(RUNS):
        before = ticks(space), resource.getrusage(resource.RUSAGE_CHILDREN)
        server.run("/bin/sh", "-c", f"{' '.join(argv)} >/dev/null")
        after = ticks(space), resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after[0] - before[0] +
                   sum(after[1][:2]) - sum(before[1][:2]))
    return best


def ours(program: str, spool: pathlib.Path) -> dict:
    done = subprocess.run([PROGRAM, program, spool], check=True, text=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def show(title: str, figures: dict, peers: dict) -> None:
    print(f"{title}: {figures['messages']} messages, CPU seconds")
    names = {"walk": "bare walk", "first": "first pass",
             "first_with_reasons": "first pass, reasons from the files",
             "refresh": "refresh"}
    for key, name in names.items():
        ratios = "  ".join(f"{tool} {seconds / figures[key]:.0f}×"
                           for tool, seconds in peers.items()) if key != "walk" else ""
        print(f"  {name:36}{figures[key]:8.4f}  {ratios}")
    for tool, seconds in peers.items():
        print(f"  {tool:36}{seconds:8.2f}")
    sys.stdout.flush()


def main() -> None:
    rng = random.Random(1)
    for number in map(int, sys.argv[1:] or ("10000", "100000")):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            with Postfix(directory) as postfix:
                fill_postfix(postfix.spool, number, rng)
                show("Postfix", ours("postfix", postfix.spool), {
                    "postqueue -j": cost(postfix, "postqueue", "-j"),
                    "qshape deferred": cost(postfix, "qshape", "deferred")})
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            with Exim(directory,
                      settings={"split_spool_directory": "true"}) as exim:
                fill_exim(exim.spool, number, rng)
                show("Exim", ours("exim", exim.spool), {
                    "exim -bpr": cost(exim, "exim4", "-bpr"),
                    "exim -bp | exiqsumm": cost(exim, "exim4", "-bp", "|",
                                                "exiqsumm"),
                    "exim -bpc": cost(exim, "exim4", "-bpc")})


if __name__ == "__main__":
    main()
