#!/usr/bin/python3
"""Private roots: real Debian servers for tests, never installed on the host.

A root is a directory with the whole closure of a few Debian packages unpacked
in it. It is built once, cached, and from then on only read: every command
runs in its own mount and process namespace, sees the root read-only, and gets
the directories it may write to as binds. What one test run does can therefore
not reach the next, and nothing outlives the test that started it.

    root = private_root.ensure("postfix")
    root.run(["postconf", "-d", "mail_version"]).stdout

    private_root.py build postfix prometheus     build, print the paths
    private_root.py run journal -- journalctl --version
    private_root.py list

Needs root, apt-get, dpkg-deb and util-linux on the host. The cache lies in
${MAILVANE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/mailvane}/roots.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Callable, Mapping, Optional, Sequence

# Part of every root's cache key. Raise it when building changes what a root
# contains; a change to a package list needs nothing.
VERSION = 2

HERE = pathlib.Path(__file__).resolve().parent

# Not there in a closure resolved from nothing, because they are essential and
# nobody depends on them by name; usr-is-merged keeps usrmerge and perl away.
SHELL = ("usr-is-merged", "dash", "coreutils", "sed", "grep", "findutils",
         "diffutils")

# Fresh tmpfs in every run; binds below them need no mount point in the root.
SCRATCH = ("tmp", "run", "srv")

# Large, and read by no program under test.
LEFT_OUT = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/info/*",
            "./usr/share/locale/*", "./usr/share/lintian/*")

ACCOUNTS = """\
root:x:0:0:root:/root:/bin/sh
postfix:x:101:101::/var/spool/postfix:/usr/sbin/nologin
systemd-journal-remote:x:103:103::/:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUPS = """\
root:x:0:
tty:x:5:
mail:x:8:
postfix:x:101:
postdrop:x:102:
systemd-journal-remote:x:103:
systemd-journal:x:104:
nogroup:x:65534:
"""
# Written into journal files made inside a root.
MACHINE_ID = "6d61696c76616e65000000000000c027"


class RootError(Exception):
    """What could not be done, with which, and why, for a person to read."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What one root contains. `finish` does by hand what the packages'
    postinst would have done and the server needs."""
    packages: Sequence[str]
    finish: Callable[["PrivateRoot"], None] = lambda root: None
    # Files beside this one that `finish` reads; they are part of the key.
    inputs: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Bind:
    """A host directory or file, seen at `inside`, which must lie below one of
    SCRATCH or exist in the root."""
    host: os.PathLike
    inside: str
    writable: bool = True


def log(message: str) -> None:
    print(f"private root {message}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- running

# In front of a command: it ends when the thread that started it does.
TIED = ("setpriv", "--pdeathsig", "KILL")

# Runs in bash as the first process of the new namespaces: $1 descriptor that
# hears when all is mounted, $2 root, $3 ro|rw, $4 host name or empty, $5 mount
# commands for the binds; the command follows. Its own id as the host counts it
# comes from the host's /proc, which is left by the chroot.
ENTER = r"""
set -eu
ready=$1 root=$2 mode=$3 name=$4 binds=$5; shift 5
read -r pid rest </proc/self/stat
mount --bind "$root" "$root"
[ "$mode" = rw ] || mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
for d in null zero full random urandom tty; do
  : >"$root/dev/$d"; mount --bind "/dev/$d" "$root/dev/$d"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
ln -s /run/syslog "$root/dev/log"
for d in tmp run srv; do mount -t tmpfs -o mode=1777 "$d" "$root/$d"; done
eval "$binds"
[ -z "$name" ] || hostname "$name"
echo "$pid" >&"$ready"
exec chroot "$root" "$@" {ready}>&-
"""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC",
}


class Inside:
    """A process running inside a root, the first of its process namespace:
    when it ends, or the thread that started it does, the kernel ends all the
    others in there. `pid` is its id on the host."""

    def __init__(self, root: "PrivateRoot", argv: Sequence[str], *,
                 binds: Sequence[Bind] = (), env: Optional[Mapping] = None,
                 hostname: str = "", own_network: bool = False,
                 writable_root: bool = False, **popen):
        self._root = root
        self._env = {**ENVIRONMENT, **(env or {})}
        reader, writer = os.pipe()
        unshare = ["unshare", "--mount", "--pid", "--fork",
                   "--kill-child=KILL"]
        if hostname:
            unshare.append("--uts")
        if own_network:
            unshare.append("--net")
        command = [*TIED, *unshare, "--", "/bin/bash", "-c", ENTER, "enter",
                   str(writer), str(root.path),
                   "rw" if writable_root else "ro", hostname,
                   _mount_commands(root.path, binds, own_network), *argv]
        try:
            self.popen = subprocess.Popen(command, env=self._env,
                                          pass_fds=[writer], **popen)
        finally:
            os.close(writer)
        with open(reader, encoding="ascii") as answer:
            first = answer.readline().strip()
        self.pid = int(first) if first else None
        self._pidfd = None
        if self.entered():
            # Already gone when the command was short: nothing to signal then.
            with contextlib.suppress(ProcessLookupError):
                self._pidfd = os.pidfd_open(self.pid)

    def entered(self) -> bool:
        """Whether the namespaces were set up and the command was reached."""
        return self.pid is not None

    def run(self, argv: Sequence[str], *, input=None, timeout: float = 60,
            check: bool = True) -> subprocess.CompletedProcess:
        """Runs a command beside the process, in its namespaces."""
        return _complete(
            [*TIED, "nsenter", "--target", str(self.pid), "--mount", "--pid",
             "--uts", "--net", "--", "chroot", str(self._root.path), *argv],
            argv, env=self._env, input=input, timeout=timeout, check=check)

    def running(self) -> bool:
        return self.popen.poll() is None

    def send(self, number: int) -> None:
        """To the first process only, by a handle that cannot be reused."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def stop(self, number: int = signal.SIGTERM,
             grace_seconds: float = 10) -> int:
        """Asks, waits, then insists. Returns the exit status as Popen does;
        nothing of the namespace is left afterwards."""
        if self.running():
            # The kernel spares the first process of a namespace the signals
            # it has no handler for; anywhere else they would end it.
            self.send(number if self._handles(number) else signal.SIGKILL)
            try:
                self.popen.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                self.send(signal.SIGKILL)
                self.popen.kill()
                self.popen.wait()
        if self._pidfd is not None:
            # unshare has reaped it by now unless unshare itself was killed.
            select.select([self._pidfd], [], [], 10)
            os.close(self._pidfd)
            self._pidfd = None
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream:
                stream.close()
        return self.popen.returncode

    def _handles(self, number: int) -> bool:
        try:
            status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return False
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.M)
        return bool(caught and int(caught.group(1), 16) >> (number - 1) & 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@dataclasses.dataclass(frozen=True)
class PrivateRoot:
    """A built root. Never modified after it stands under its final name."""
    name: str
    path: pathlib.Path

    def start(self, argv: Sequence[str], **options) -> Inside:
        """Starts a server; options as for Inside (and Popen). Its life ends
        with that of the calling thread."""
        if os.geteuid() != 0:
            raise RootError(f"run {argv[0]} in private root {self.name}: "
                            "namespaces and chroot need root; use sudo")
        return Inside(self, argv, **options)

    def run(self, argv: Sequence[str], *, input=None, timeout: float = 60,
            check: bool = True, **options) -> subprocess.CompletedProcess:
        """Runs a command to its end, with text on all three streams."""
        process = self.start(argv, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, errors="replace", **options)
        with process:
            try:
                out, err = process.popen.communicate(input, timeout)
            except subprocess.TimeoutExpired as error:
                raise RootError(
                    f"run {shlex.join(argv)} in private root {self.name}: "
                    f"not done after {timeout:g} s") from error
        if not process.entered():
            raise RootError(f"enter private root {self.name}: {err.strip()}")
        return _checked(argv, process.popen.returncode, out, err, check)


def _mount_commands(root: pathlib.Path, binds: Sequence[Bind],
                    own_network: bool) -> str:
    lines = ["ip link set lo up"] if own_network else []
    for bind in binds:
        host = pathlib.Path(bind.host).resolve(strict=True)
        inside = pathlib.PurePosixPath(bind.inside)
        target = shlex.quote(str(root / inside.relative_to("/")))
        if inside.parts[1] in SCRATCH:
            if host.is_dir():
                lines.append(f"mkdir -p {target}")
            else:
                lines.append(f'mkdir -p "$(dirname {target})"; : >{target}')
        lines.append(f"mount --bind {shlex.quote(str(host))} {target}")
        if not bind.writable:
            lines.append(f"mount -o remount,bind,ro {target}")
    return "\n".join(lines)


def _complete(command, shown, *, env, input, timeout, check):
    try:
        done = subprocess.run(command, env=env, input=input, text=True,
                              errors="replace", capture_output=True,
                              timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise RootError(f"run {shlex.join(shown)}: not done after "
                        f"{timeout:g} s") from error
    return _checked(shown, done.returncode, done.stdout, done.stderr, check)


def _checked(argv, returncode, out, err, check):
    if check and returncode != 0:
        raise RootError(f"run {shlex.join(argv)}: exit status {returncode}: "
                        f"{(err.strip() or out.strip())[-2000:]}")
    return subprocess.CompletedProcess(argv, returncode, out, err)


# --------------------------------------------------------------- building


def cache_directory() -> pathlib.Path:
    explicit = os.environ.get("MAILVANE_CACHE")
    if explicit:
        return pathlib.Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "mailvane"


def path_of(name: str) -> pathlib.Path:
    """Where the root lies, or would: the key is what it is made from."""
    recipe = _recipe(name)
    key = hashlib.sha256(repr((VERSION, sorted(recipe.packages))).encode())
    for file in recipe.inputs:
        key.update((HERE / file).read_bytes())
    return cache_directory() / "roots" / f"{name}-{key.hexdigest()[:12]}"


def ensure(name: str) -> PrivateRoot:
    """The root called `name`, built first if it is not there yet. Two
    builders wait for each other; a build cut short leaves nothing under the
    final name. Raises RootError."""
    final = path_of(name)
    if final.is_dir():
        return PrivateRoot(name, final)
    if os.geteuid() != 0:
        raise RootError(f"build private root {name}: unpacking with the "
                        "packages' owners needs root; use sudo")
    final.parent.mkdir(parents=True, exist_ok=True)
    with _locked(final.parent / f".{name}.lock", name):
        if not final.is_dir():
            for leftover in final.parent.glob(f".{name}-*.building"):
                shutil.rmtree(leftover)
            # Not by mkdtemp: the name says whose leftover it is.
            building = final.parent / f".{final.name}.building"
            building.mkdir()
            # Servers that are not root read what is written from here on.
            umask = os.umask(0o022)
            try:
                _build(PrivateRoot(name, building))
                building.rename(final)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
            finally:
                os.umask(umask)
    return PrivateRoot(name, final)


def _build(root: PrivateRoot) -> None:
    recipe = _recipe(root.name)
    began = time.monotonic()
    debs = _download(root.name, recipe.packages)
    _make_skeleton(root.path)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(
                pool.map(lambda deb: _unpack(deb, root.path), debs), 1):
            if done % 100 == 0:
                log(f"{root.name}: unpacked {done} of {len(debs)}")
    shell = root.path / "usr/bin/sh"
    if not shell.exists():
        shell.symlink_to("dash")
    subprocess.run(["ldconfig", "-r", str(root.path)], check=True)
    recipe.finish(root)
    log(f"{root.name}: ready after {time.monotonic() - began:.0f} s")


def _download(name: str, packages: Sequence[str]) -> list:
    """The closure's .deb files, resolved as on a machine with nothing
    installed. Files are kept and shared between roots."""
    apt = cache_directory() / "roots" / "apt"
    with tempfile.TemporaryDirectory() as empty:
        status = pathlib.Path(empty) / "status"
        status.touch()
        (pathlib.Path(empty) / "partial").mkdir()
        (apt / "partial").mkdir(parents=True, exist_ok=True)
        common = ["apt-get", "--quiet=2", "--yes", "--no-install-recommends",
                  "-o", f"Dir::State::status={status}",
                  "-o", "Dir::Cache::pkgcache=",
                  "-o", "Dir::Cache::srcpkgcache=",
                  "-o", "APT::Sandbox::User=root",
                  "-o", "Acquire::Retries=3"]
        # Against an empty archive, because what is there is left out.
        listing = _apt(name, packages, common +
                       ["-o", f"Dir::Cache::archives={empty}",
                        "--print-uris", "install", *packages])
        # 'http://deb.debian.org/…/dash_0.5.12-2_amd64.deb' dash_0….deb 98000 …
        found = re.findall(r"^'[^']+' (\S+\.deb) (\d+)", listing, re.M)
        if not found:
            raise RootError(f"build private root {name}: apt-get resolved no "
                            f"package for {' '.join(packages)}")
        size = sum(int(bytes_) for _, bytes_ in found)
        log(f"{name}: {len(found)} packages, {size / 1e6:.0f} MB")
        with _locked(cache_directory() / "roots" / ".apt.lock", name):
            _apt(name, packages, common +
                 ["-o", f"Dir::Cache::archives={apt}", "--download-only",
                  "install", *packages])
    return [apt / file for file, _ in found]


def _apt(name, packages, command) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL,
                          env={**os.environ, "LC_ALL": "C.UTF-8",
                               "DEBIAN_FRONTEND": "noninteractive"})
    if done.returncode == 0:
        return done.stdout
    why = "\n  ".join(line for line in done.stderr.splitlines()
                      if line.startswith(("E:", "W:")))
    advice = ""
    if re.search("Unable to locate|no installation candidate|404|"
                 "Failed to fetch|Unable to fetch", done.stderr):
        advice = ("\n  The package lists are missing or out of date, or the "
                  "mirror cannot be reached: run apt-get update")
    raise RootError(f"build private root {name} from {' '.join(packages)}: "
                    f"apt-get failed:\n  {why or done.stdout[-500:]}{advice}")


def _make_skeleton(path: pathlib.Path) -> None:
    for directory in ("proc", "sys", "dev", "etc", "root", "var", "usr/bin",
                      "usr/sbin", "usr/lib", "usr/lib64", "usr/lib32",
                      "usr/libx32", *SCRATCH):
        (path / directory).mkdir(parents=True)
    for link in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
        (path / link).symlink_to(f"usr/{link}")
    (path / "var/run").symlink_to("/run")
    (path / "var/tmp").symlink_to("/tmp")
    path.chmod(0o755)
    for file, text in {
            "passwd": ACCOUNTS, "group": GROUPS,
            "hosts": "127.0.0.1 localhost\n::1 localhost\n",
            "nsswitch.conf": "passwd: files\ngroup: files\n"
                             "hosts: files dns\n",
            "resolv.conf": "", "machine-id": MACHINE_ID + "\n"}.items():
        (path / "etc" / file).write_text(text)


def _unpack(deb: pathlib.Path, path: pathlib.Path) -> None:
    exclude = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    with subprocess.Popen([*TIED, "dpkg-deb", "--fsys-tarfile", deb],
                          stdout=subprocess.PIPE) as source:
        done = subprocess.run(
            [*TIED, "tar", "-x", "-C", path, "--numeric-owner",
             "--same-permissions", "--keep-directory-symlink", *exclude],
            stdin=source.stdout, stderr=subprocess.PIPE, text=True, check=False)
    if source.returncode or done.returncode:
        raise RootError(f"unpack {deb.name}: {done.stderr.strip()}")


@contextlib.contextmanager
def _locked(file: pathlib.Path, name: str):
    with open(file, "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"{name}: another build holds {file.name}, waiting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# ---------------------------------------------------------------- recipes


def _finish_postfix(root: PrivateRoot) -> None:
    for command in ("postdrop", "postqueue"):
        file = root.path / "usr/sbin" / command
        os.chown(file, 0, 102)
        file.chmod(0o2755)
    # master.cf and main.cf come with each test; these two are what is read
    # beside them even so.
    (root.path / "etc/aliases").write_text("postmaster: root\n")
    (root.path / "etc/postfix/dynamicmaps.cf").touch()


def _add_accounts(root: PrivateRoot, **ids: int) -> None:
    """Users with a group of the same name and number each."""
    with open(root.path / "etc/passwd", "a", encoding="ascii") as users, \
            open(root.path / "etc/group", "a", encoding="ascii") as groups:
        for name, number in ids.items():
            users.write(f"{name}:x:{number}:{number}:{name}:/nonexistent:"
                        "/bin/sh\n")
            groups.write(f"{name}:x:{number}:\n")


def _finish_exim(root: PrivateRoot) -> None:
    _add_accounts(root, **{"Debian-exim": 105, "www-data": 33, "alice": 1001,
                           "bob": 1002, "carol": 1003})


def _finish_dovecot(root: PrivateRoot) -> None:
    _add_accounts(root, dovecot=106, dovenull=107, vmail=1000)
    # Ours comes with each test.
    shutil.rmtree(root.path / "etc/dovecot")
    (root.path / "etc/dovecot").mkdir()


def _finish_rbldnsd(root: PrivateRoot) -> None:
    _add_accounts(root, rbldns=108)


def _finish_chromium(root: PrivateRoot) -> None:
    """playwright-core, exactly as locked, by the root's own npm: the one
    thing that comes from the npm registry instead of Debian."""
    home = root.path / "opt/browser"
    home.mkdir(parents=True)
    (home / "src").mkdir()
    for file in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "browser" / file, home / file)
    binds, env = [], {"HOME": "/srv/home"}
    # As on the host: names, certificates, the registry of the user's choice.
    certificates = os.environ.get("NODE_EXTRA_CA_CERTS",
                                  os.environ.get("SSL_CERT_FILE", ""))
    for host, inside in ((pathlib.Path.home() / ".npmrc", "/srv/home/.npmrc"),
                         ("/etc/resolv.conf", "/etc/resolv.conf"),
                         ("/etc/hosts", "/etc/hosts"),
                         (certificates or "/nonexistent",
                          "/srv/certificates.pem")):
        if os.path.isfile(host):
            binds.append(Bind(host, inside, writable=False))
    if os.path.isfile(certificates):
        env["NODE_EXTRA_CA_CERTS"] = "/srv/certificates.pem"
    env.update((key, value) for key, value in os.environ.items()
               if key.lower() in ("http_proxy", "https_proxy", "no_proxy")
               or key.lower().startswith("npm_config_registry"))
    log(f"{root.name}: npm ci")
    root.run(["/bin/sh", "-c",
              "cd /opt/browser && npm ci --ignore-scripts --no-audit "
              "--no-fund --cache /tmp/npm"],
             binds=binds, env=env, writable_root=True, timeout=300)


RECIPES = {
    "postfix": Recipe(("postfix", "gzip", "mawk", *SHELL), _finish_postfix),
    "prometheus": Recipe(("prometheus", *SHELL)),
    "chromium": Recipe(
        ("chromium", "nodejs", "npm", "fonts-dejavu-core",
         "fonts-noto-color-emoji", *SHELL),
        _finish_chromium,
        ("browser/package.json", "browser/package-lock.json")),
    "exim": Recipe(("exim4-daemon-heavy", "gzip", *SHELL), _finish_exim),
    "dovecot": Recipe(
        ("dovecot-imapd", "dovecot-pop3d", "dovecot-submissiond", *SHELL),
        _finish_dovecot),
    "feedparser": Recipe(("python3", "python3-feedparser", *SHELL)),
    "rbldnsd": Recipe(("rbldnsd", *SHELL), _finish_rbldnsd),
    "journal": Recipe(("systemd-journal-remote", "systemd", *SHELL)),
}


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise RootError(f"private root {name}: unknown; there are "
                        f"{', '.join(sorted(RECIPES))}")
    return RECIPES[name]


# ------------------------------------------------------------ for fixtures


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now. Somebody may a moment later, so who uses
    it starts again with another when the server says that it is taken."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable, what: str, seconds: float = 30):
    """Polls until `condition()` is true and returns its value. Raises
    RootError, naming `what` did not come, at the deadline."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise RootError(f"waited {seconds:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="known roots, and where they lie")
    build = commands.add_parser("build", help="build what is not there yet")
    build.add_argument("name", nargs="*", help="default: all")
    run = commands.add_parser("run", help="run a command inside a root")
    run.add_argument("name")
    run.add_argument("argv", nargs="+")
    options = parser.parse_args(arguments)
    try:
        if options.command == "list":
            for name in sorted(RECIPES):
                path = path_of(name)
                print(name, path if path.is_dir() else "-", sep="\t")
        elif options.command == "build":
            for name in options.name or sorted(RECIPES):
                print(ensure(name).path)
        else:
            with ensure(options.name).start(options.argv) as process:
                return process.popen.wait()
    except RootError as error:
        print(f"private_root.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
