"""What twenty browsers that follow the dashboard cost the daemon: its loop's lag and its commits, with and without.

Rounds with and without take turns, each pair in the other order; the ratio of the 99th percentiles is taken within a
pair, and the median of these is the figure. The daemon trades the embedded market and is handed signals all the time.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from figures import SCRATCH, Figure, show
from rig import median, quantile

from trader.adapters.control import DaemonDown, NoAnswer, ask, socket_path

_CLIENTS, _PAIRS, _ROUND_S, _SETTLE_S, _SIGNAL_S = 20, 10, 8.0, 1.5, 0.02
_START_S = 60.0
_HERE = Path(__file__).resolve().parent
_ACCOUNT = "paper"


class _Round(NamedTuple):
    begins_s: float
    ends_s: float


class _Place(NamedTuple):
    folder: Path
    port: int

    @property
    def db(self) -> Path:
        return self.folder / "book.db"

    @property
    def notes(self) -> Path:
        return self.folder / "notes.json"

    def token(self) -> str:
        return self.db.with_name(f"{self.db.name}.{_ACCOUNT}.reader.token").read_text("utf-8").strip()


def measure(pairs: int = _PAIRS) -> list[Figure]:
    """Run the daemon once, and all rounds beside it."""
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        place = _Place(Path(folder), _free_port())
        rounds: dict[bool, list[_Round]] = {True: [], False: []}
        heard = [0]
        with _daemon(place), _signals(place):
            for pair in range(pairs):
                for followed in (False, True) if pair % 2 else (True, False):
                    with _clients(place, heard) if followed else ExitStack():
                        time.sleep(_SETTLE_S)
                        begins_s = time.monotonic()
                        time.sleep(_ROUND_S)
                        rounds[followed].append(_Round(begins_s, time.monotonic()))
        notes: dict[str, list[tuple[float, float]]] = json.loads(place.notes.read_text("utf-8"))
    if heard[0] < pairs * _CLIENTS:
        raise SystemExit(f"the clients were told {heard[0]} changes: nobody followed")
    return [figure for name in ("lag", "commit") for figure in _figures(name, notes[name], rounds)]


def _figures(name: str, notes: list[tuple[float, float]], rounds: dict[bool, list[_Round]]) -> Iterator[Figure]:
    def p99(of: _Round) -> float:
        return quantile([took for at, took in notes if of.begins_s <= at <= of.ends_s], 0.99)

    with_clients, without = ([p99(each) for each in rounds[followed]] for followed in (True, False))
    what = {"lag": "the daemon's loop is late", "commit": "a commit of the daemon"}[name]
    ratios = sorted(one / other for one, other in zip(with_clients, without, strict=True))
    yield Figure(name=f"{what}, p99, nobody follows", measured=median(without) * 1e3, unit="ms")
    yield Figure(name=f"  {_CLIENTS} clients follow the dashboard", measured=median(with_clients) * 1e3, unit="ms")
    note = f"{len(ratios)} pairs, {ratios[0]:.2f} to {ratios[-1]:.2f}"
    yield Figure(name="  ratio, median of the pairs", measured=median(ratios), at_most=1.1, note=note)


@contextmanager
def _daemon(place: _Place) -> Iterator[None]:
    config = place.folder / "config.toml"
    families = _HERE.parents[1] / "config" / "families.toml"
    config.write_text(
        f'[book]\ndb = "{place.db}"\nbackups = "{place.folder / "backups"}"\n[log]\nfile = "{place.folder / "log"}"\n'
        f'[families]\nfile = "{families}"\n[feed]\nspeed = 30.0\n[dashboard]\nenabled = true\nport = {place.port}\n',
        "utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADER_")}
    command = [sys.executable, str(_HERE / "watched_daemon.py"), str(place.notes), "--config", str(config)]
    root = str(_HERE.parents[1])
    process = subprocess.Popen(
        command, env={**environment, "PYTHONPATH": root}, cwd=place.folder, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(place.port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the daemon, or its dashboard, did not start")
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_START_S)


@contextmanager
def _signals(place: _Place) -> Iterator[None]:
    """Somebody hands in signals all the time; each is decided, and its row committed."""
    ended, path = threading.Event(), socket_path(place.db, _ACCOUNT)

    def hand_in() -> None:
        number = 0
        while not ended.wait(_SIGNAL_S):
            number += 1
            request = {"ask": "signal", "symbol": "QQQ", "probability": 0.5, "id": f"bench-{number}", "operator": "b"}
            try:
                ask(path, request, 5.0)
            except (DaemonDown, NoAnswer):
                if not ended.is_set():
                    raise

    handing = threading.Thread(target=hand_in)
    handing.start()
    try:
        yield
    finally:
        ended.set()
        handing.join()


@contextmanager
def _clients(place: _Place, heard: list[int]) -> Iterator[None]:
    """Twenty that read every change of the first page, as browsers do."""
    request = (
        f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{place.port}\r\nAuthorization: Bearer {place.token()}\r\n\r\n"
    ).encode()
    with ExitStack() as held:
        connections = [held.enter_context(socket.create_connection(("127.0.0.1", place.port))) for _ in range(_CLIENTS)]
        reading = [threading.Thread(target=_read, args=(connection, heard)) for connection in connections]
        for connection, thread in zip(connections, reading, strict=True):
            connection.sendall(request)
            thread.start()
        yield
        for connection in connections:
            connection.shutdown(socket.SHUT_RDWR)
        for thread in reading:
            thread.join()


def _read(connection: socket.socket, heard: list[int]) -> None:
    while True:
        try:
            chunk = connection.recv(1 << 20)
        except OSError:
            return
        if not chunk:
            return
        heard[0] += chunk.count(b"data: ")


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    show(measure())
