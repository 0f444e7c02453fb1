"""A real HTTP server on this host that keeps what it is sent: the far end of an alarm's channel."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread


class Server(HTTPServer):
    """Its posts are JSON."""

    posts: list[dict[str, str]]


class _Keeps(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Server)
        self.server.posts.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """In silence."""


@contextmanager
def a_server(port: int = 0) -> Iterator[Server]:
    """Listens until the block is left; by default at a port that is free."""
    server = Server(("127.0.0.1", port), _Keeps)
    server.posts = []
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
