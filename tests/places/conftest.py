"""A web server on this machine that answers as it is told, and fsspec's memory, emptied."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fsspec
import pytest


@dataclass
class Web:
    """`files` are what it has, by path; `asked` counts the GETs."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    """Of these half is sent of what the header promises."""
    busy: Counter[str] = field(default_factory=Counter)
    """How many more times the answer is 503."""
    tags: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, web: Web, *told: Any) -> None:
        self.web = web
        super().__init__(*told)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self.web.asked[self.path.partition("?")[0]] += 1
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        if body and self.web.busy[path] > 0:
            self.web.busy[path] -= 1
            return self.send_error(503)
        if path not in self.web.files:
            return self.send_error(404)
        content = self.web.files[path]
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if path.endswith("/") else "audio/wav")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", self.web.tags.get(path, '"1"'))
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if path in self.web.cut else content)
        self.close_connection = True
        return None

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr("audiossl.places.connect.PAUSES_S", (0.0, 0.0))
    web = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, web))
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's file system in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]
