"""A server for the tests of downloads: with and without ranges, cut connections, changed files, and a log of it all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server does; every list is used up answer by answer.

    Attributes:
        address: such as `http://127.0.0.1:8000`.
        files: content by path, with its leading slash.
        ranges: whether a part of a file can be had.
        heeds: whether `If-Range` is looked at.
        cuts: after how many bytes of an answer the connection is cut.
        fails: answers that are given instead, such as 503.
        sends: redirections by path.
        headers: sent with every answer.
        tags: whether a file has an ETag and a date.
        lengths: whether an answer says how long it is.
        log: of every GET, its path and its Range.
        asked: of every GET, all of its headers.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    heeds: bool = True
    cuts: list[int] = field(default_factory=list)
    fails: list[int] = field(default_factory=list)
    sends: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    tags: bool = True
    lengths: bool = True
    log: list[tuple[str, str | None]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self.site.log.append((self.path, self.headers["Range"]))
        self.site.asked.append(dict(self.headers))
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        site, path = self.site, self.path.partition("?")[0]
        if body and site.fails:
            return self._empty(site.fails.pop(0), {"Retry-After": "0"})
        if path in site.sends:
            return self._empty(302, {"Location": site.sends[path]})
        if path not in site.files:
            return self._empty(404, {})
        content = site.files[path]
        tag = f'"{hash(content)}"'
        asked = self.headers["Range"] if site.ranges else None
        if asked and site.heeds and self.headers["If-Range"] not in (None, tag):
            asked = None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(content) > 0:
            return self._empty(416, {"Content-Range": f"bytes */{len(content)}"})
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if site.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        for name, value in ({"ETag": tag} if site.tags else {}).items() | site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            piece = content[start:]
            self.wfile.write(piece[: site.cuts.pop(0)] if site.cuts else piece)
        self.close_connection = True
        return None

    def _empty(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that goes away is what these tests are about."""


@contextmanager
def served() -> Iterator[Site]:
    """A server of this process, while it is wanted."""
    site = Site()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
