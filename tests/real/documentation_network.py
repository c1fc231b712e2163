"""A network of this process's own, in which the addresses for documentation
(RFC 5737) are this machine, and every port is free.

What real servers log there may stand in the repository as it is, and a fixed
port such as 25 disturbs nobody.
"""

import os
import re
import socket
import subprocess
import sys

NETWORKS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
_ENTERED = "MAILVANE_DOCUMENTATION_NETWORK"


def enter() -> None:
    """Starts the running program anew inside such a network, unless it is in
    there already. Call it first in main(); needs root."""
    if os.environ.pop(_ENTERED, "") == str(os.getpid()):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for network in NETWORKS:
            # On lo the whole prefix becomes local, not the one address only.
            subprocess.run(["ip", "address", "add",
                            network.replace(".0/", ".1/"), "dev", "lo"],
                           check=True)
        return
    # unshare without --fork keeps the process id, so the mark fits nobody else.
    os.execvpe("unshare", ["unshare", "--net", "--", sys.executable, *sys.argv],
               {**os.environ, _ENTERED: str(os.getpid())})


def check(log: str) -> None:
    """Nothing of the machine that recorded it may be in there."""
    for address in re.findall(r"(?<![\w.])\d+\.\d+\.\d+\.\d+", log):
        if not re.match(r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|127\.0\.0\."
                        r"|\d\.\d\.\d\.\d$", address):
            raise SystemExit(f"{address} is in the log")
    for domain in re.findall(r"@([\w.-]+)", log):
        if not re.search(r"(^|\.)example(\.(com|net|org))?$", domain):
            raise SystemExit(f"{domain} is in the log")
    if re.search(rf"\b{re.escape(socket.gethostname())}\b", log):
        raise SystemExit("this machine's name is in the log")
