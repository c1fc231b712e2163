"""A real Chromium in a private root, driven through playwright-core."""

import json
import os
import pathlib
from typing import Mapping, Optional, Sequence, Tuple

import private_root
from private_root import Bind, RootError

SCRIPTS = pathlib.Path(__file__).resolve().parent / "browser"
INSIDE = "/srv/browser"


class Browser:
    """Opens pages, each in a browser of its own, and says what is there.

        browser = Browser(tmp)
        page = browser.open("http://127.0.0.1:8080/", screenshot="home.png")
        page["tables"][0][1]   # the texts of the first row's cells

    Screenshots lie below `directory`. Only loopback has addresses, so what a
    page wants from elsewhere fails, and is told. Nothing runs between calls,
    so entering and leaving the context does nothing.
    """

    def __init__(self, directory: os.PathLike):
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._root = private_root.ensure("chromium")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def open(self, url: str, *, javascript: bool = True,
             viewport: Tuple[int, int] = (1280, 800),
             colour_scheme: str = "light", screenshot: str = "",
             full_page: bool = True, find: Optional[Mapping[str, str]] = None,
             steps: Sequence[Sequence[str]] = (),
             timeout_seconds: float = 30) -> dict:
        """Loads `url`, takes the steps, and returns what is there then:

        status, url, title, language, text; tables: for each, its rows as lists
        of cell texts; width: of the content, wider than the viewport when the
        page must be scrolled sideways; found: for each selector in `find`, the
        texts of its elements; accessible: the nodes of the accessibility tree
        as {role, name, depth, …} in reading order; accessible_rows: the rows
        in it, each as the list of its cells' names; console_errors; requests;
        foreign_requests: those to other origins.

        A step is ("click", selector), ("fill", selector, text),
        ("press", selector, key), ("wait", selector), ("tell", url), which asks
        a server of the test's own and goes on when it has answered, or
        ("return",), as somebody does who had looked at another page.
        """
        job = {"url": url, "javascript": javascript,
               "viewport": {"width": viewport[0], "height": viewport[1]},
               "colour_scheme": colour_scheme,
               "screenshot": f"{INSIDE}/{screenshot}" if screenshot else "",
               "full_page": full_page, "find": dict(find or {}),
               "steps": [list(step) for step in steps],
               "timeout_seconds": timeout_seconds}
        done = self._root.run(
            ["node", "/opt/browser/src/drive.js"], input=json.dumps(job),
            binds=[Bind(SCRIPTS, "/opt/browser/src", writable=False),
                   Bind(self.directory, INSIDE)],
            timeout=timeout_seconds + 30, check=False)
        if done.returncode != 0:
            raise RootError(f"open {url}: {done.stderr.strip()[-3000:]}")
        page = json.loads(done.stdout)
        page["accessible_rows"] = _rows(page["accessible"])
        return page


def _rows(nodes: Sequence[Mapping]) -> list:
    """[{"role": "row", "depth": 4}, {"role": "cell", "name": "Up"…}…] →
    [["Up", …], …]"""
    rows, row_depth = [], None
    for node in nodes:
        if row_depth is not None and node["depth"] <= row_depth:
            row_depth = None
        if node["role"] == "row":
            rows.append([])
            row_depth = node["depth"]
        elif row_depth is not None and node["role"] in (
                "cell", "gridcell", "rowheader", "columnheader"):
            rows[-1].append(node["name"])
    return rows
