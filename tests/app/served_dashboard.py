"""A dashboard as a process of its own, asked over a real socket."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

from replayed_book import ReplayedBook

_ANSWER_S = 20.0


class Said(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: str

    def json(self) -> Any:
        """What a machine reads."""
        return json.loads(self.body)


class Served(NamedTuple):
    """A running dashboard and its two tokens."""

    port: int
    operator: str
    reader: str
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        """As a browser names it."""
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> Said:
        """One request with just these headers; the Host is right unless it is given."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {
                "Host": self.host,
                "Content-Length": str(len(body.encode())),
                **(headers or {}),
            }.items():
                connection.putheader(name, value)
            connection.endheaders(body.encode())
            answer = connection.getresponse()
            return Said(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
            )
        finally:
            connection.close()

    def get(self, path: str, token: str = "") -> Said:
        """Look, with a token of a program; the operator's unless another is given."""
        return self.ask("GET", path, {"Authorization": f"Bearer {token or self.operator}"})

    def enter(self, token: str) -> Mapping[str, str]:
        """Go through the door as a browser does; the headers of what it sends afterwards from a page of ours."""
        entered = self.ask("POST", "/login", {"Origin": f"http://{self.host}"}, f"token={token}")
        assert entered.status == 303, entered
        cookie = entered.headers["set-cookie"].partition(";")[0]
        page = self.ask("GET", "/", {"Cookie": cookie})
        found = re.search(r'data-form-key="(\w+)"', page.body)
        assert found is not None
        return {"Cookie": cookie, "Origin": f"http://{self.host}", "X-Trader-Form": found[1]}


@contextmanager
def served(book: ReplayedBook) -> Iterator[Served]:
    """`trader dashboard` on a free port, ended in order."""
    command = [
        sys.executable,
        "-m",
        "trader",
        "dashboard",
        "--config",
        str(book.config),
        "--db",
        str(book.db),
        "--port",
        "0",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        addresses = [re.search(r":(\d+)/login#(\S+)", line) for line in lines]
        assert all(addresses), (lines, process.stderr.read() if process.poll() is not None else "")
        (port, operator), (_, reader) = (address.groups() for address in addresses if address is not None)
        yield Served(int(port), operator, reader, process)
    finally:
        process.terminate()
        _, err = process.communicate(timeout=20)
        assert "Traceback" not in err, err
