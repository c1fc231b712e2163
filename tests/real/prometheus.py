"""A real Prometheus, and its promtool, in a private root."""

import json
import os
import pathlib
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from typing import Mapping, Optional

import private_root
from private_root import Bind, RootError, wait_until

INSIDE = "/srv/prometheus"


class Prometheus:
    """A Prometheus on a free loopback port, running `config` (YAML text)
    until exit. Rule files that the configuration names go in `files`, by
    their relative name; they and the series lie below `directory`.

        with Prometheus(tmp, config) as prometheus:
            prometheus.wait_for("up == 1")

    `check_config` and `check_metrics` need no running server: on an object
    that was not entered they work too.
    """

    def __init__(self, directory: os.PathLike, config: str = "", *,
                 files: Optional[Mapping[str, str]] = None, flags=()):
        self.directory = pathlib.Path(directory).resolve()
        self.config = config
        self.port = None
        self._files = dict(files or {})
        self._flags = list(flags)
        self._inside = None
        self._root = private_root.ensure("prometheus")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self._write(self.config)
        for _ in range(5):
            self.port = private_root.free_port()
            if self._try_start():
                return self
        raise RootError(f"start Prometheus: {self._last_words()}")

    def __exit__(self, *_):
        self._stop()

    def query(self, expression: str, time: Optional[float] = None) -> list:
        """An instant query's result: [{"metric": {…}, "value": [t, "v"]}]."""
        parameters = {"query": expression}
        if time is not None:
            parameters["time"] = time
        return self._get("/api/v1/query", parameters)["result"]

    def wait_for(self, expression: str, seconds: float = 30) -> list:
        """The result of a query, once it is not empty."""
        return wait_until(lambda: self.query(expression),
                          f"an answer to {expression}", seconds)

    def targets(self) -> list:
        """The active targets, each with `health`, `lastError`, `labels`."""
        return self._get("/api/v1/targets",
                         {"state": "active"})["activeTargets"]

    def rules(self) -> list:
        """The rule groups with the state of each rule."""
        return self._get("/api/v1/rules", {})["groups"]

    def reload(self, config: str) -> None:
        """Puts another configuration in force; RootError when it is bad."""
        self._write(config)
        try:
            self._request("/-/reload", data=b"")
        except urllib.error.HTTPError as error:
            raise RootError("reload Prometheus: "
                            f"{error.read().decode().strip()}") from error

    def check_metrics(self, text: str) -> str:
        """What `promtool check metrics` has against an exposition: syntax
        errors and lint, empty when there is nothing."""
        return self._promtool("check", "metrics", input=text)

    def check_config(self, text: Optional[str] = None) -> str:
        """What promtool has against a configuration and the rules it names,
        by default the one given at construction; empty when nothing."""
        self._write(self.config)
        (self.directory / "checked.yml").write_text(
            self.config if text is None else text)
        return self._promtool("check", "config", f"{INSIDE}/checked.yml")

    def test_rules(self, name: str) -> str:
        """What `promtool test rules` has against one of `files`; empty when
        every test in it passes."""
        self._write(self.config)
        return self._promtool("test", "rules", f"{INSIDE}/{name}")

    # --------------------------------------------------------------- inside

    def _promtool(self, *arguments, input=None) -> str:
        done = self._root.run(["promtool", *arguments], input=input,
                              check=False, binds=self._binds())
        said = (done.stderr + done.stdout).strip()
        if done.returncode == 0:
            # Says SUCCESS and what it read; lint is on standard error.
            return done.stderr.strip()
        return said or f"exit status {done.returncode}"

    def _binds(self):
        return [Bind(self.directory, INSIDE)]

    def _write(self, config):
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "prometheus.yml").write_text(config)
        for name, text in self._files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def _try_start(self) -> bool:
        with open(self.directory / "prometheus.log", "ab") as output:
            self._inside = self._root.start(
                ["prometheus", f"--config.file={INSIDE}/prometheus.yml",
                 f"--storage.tsdb.path={INSIDE}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}",
                 "--web.enable-lifecycle", *self._flags],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                binds=self._binds())
        try:
            wait_until(lambda: not self._inside.running() or self._ready(),
                       "Prometheus to be ready")
            # Another server on that port would answer as well, but then this
            # one has ended.
            if self._inside.running():
                return True
        except RootError:
            pass
        self._stop()
        return False

    def _stop(self):
        if self._inside:
            self._inside.stop()
            self._inside = None

    def _ready(self) -> bool:
        try:
            self._request("/-/ready")
            return True
        except OSError:
            return False

    def _request(self, path, data=None) -> bytes:
        # No proxy of the user's stands between us and loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, data=data, timeout=30) as answer:
            return answer.read()

    def _get(self, path, parameters):
        try:
            answer = self._request(
                path + "?" + urllib.parse.urlencode(parameters))
        except urllib.error.HTTPError as error:
            raise RootError(f"ask Prometheus {path} {parameters}: "
                            f"{error.read().decode().strip()}") from error
        return json.loads(answer)["data"]

    def _last_words(self) -> str:
        text = (self.directory / "prometheus.log").read_text()
        return text[-2000:].strip() or "it said nothing"
