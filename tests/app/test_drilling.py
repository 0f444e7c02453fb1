"""`trader drill`: what it says, its exit codes, and that it touches nothing of the user's."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_IBKR = """
mode = "paper"
[account]
name = "mine"
starting_cash = 50_000.0
[book]
db = "trading_data.db"
[feed]
kind = "ibkr"
symbols = ["AAPL", "KO"]
inbox = "signals.jsonl"
[broker]
kind = "ibkr"
[ibkr]
port = {port}
port_is = "paper"
account = "DU1234567"
[families]
file = "families.toml"
[dashboard]
enabled = true
[alarms]
command = ["/bin/sh", "-c", "touch alarmed"]
[limits]
open_positions = 2
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Where TWS would listen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def _trader(folder: Path, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"TMPDIR": str(home)} if home is not None else {})}
    command = [sys.executable, "-X", "importtime", "-m", "trader", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def _content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def test_a_drill_connects_to_nobody_and_touches_nothing(tmp_path: Path, listener: socket.socket) -> None:
    """Of a configuration that trades at a broker, with a book, an inbox, a dashboard and an alarm command."""
    mine, scratch = tmp_path / "mine", tmp_path / "scratch"
    mine.mkdir()
    scratch.mkdir()
    (mine / "ibkr.toml").write_text(_IBKR.format(port=listener.getsockname()[1]))
    (mine / "families.toml").write_text("[QQQ]\nQQQ = 1\nTQQQ = 3\nSQQQ = -3\n")
    (mine / "trading_data.db").write_bytes(b"the book, which nobody opens: it is none")
    (mine / "signals.jsonl").write_text('{"id": "a1", "symbol": "QQQ", "probability": 0.95}\n')
    before = _content(mine)
    done = _trader(mine, "drill", "all", "--config", "ibkr.toml", "--json", home=scratch)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert (told["account"], told["cash"], told["not_caught"]) == ("mine", 50_000.0, 0)
    assert _content(mine) == before
    assert list(scratch.iterdir()) == [], "the scratch folders are gone"
    with pytest.raises(BlockingIOError):
        listener.accept()
    imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")]
    assert "trader.app.drills.catalogue" in imported
    assert not {"ib_insync", "ib_async", "apprise"} & set(imported)
    fills = next(drill for drill in told["drills"] if drill["drill"] == "knight-fills")
    assert (fills["by"]["rule"], fills["by"]["limit"], fills["orders"]) == ("open_positions", 2, 2), "by its own limit"


def _default(folder: Path, *lines: str) -> str:
    (folder / "c.toml").write_text("\n".join(lines))
    (folder / "families.toml").write_text("[QQQ]\nQQQ = 1\nSQQQ = -3\n")
    return "c.toml"


def test_where_one_is_not_caught_the_exit_code_says_so(tmp_path: Path) -> None:
    config = _default(tmp_path, "[version]", "stops_entries = false")
    done = _trader(tmp_path, "drill", "knight-versions", "--config", config)
    assert done.returncode == 4
    header, row = (line.split("\t") for line in done.stdout.splitlines())
    told = dict(zip(header, row, strict=True))
    assert told["verdict"] == "not caught"
    assert told["rule"] == ""
    assert int(told["orders"]) > 0
    assert "1 drills: 1 not caught" in done.stderr


def test_without_a_name_it_says_which_there_are(tmp_path: Path) -> None:
    for arguments in (("drill",), ("drill", "--list")):
        done = _trader(tmp_path, *arguments)
        assert done.returncode == 0
        names = [line.split("\t")[0] for line in done.stdout.splitlines()[1:]]
        assert {"conflict", "duplicate-buys", "two-accounts", "lost-exits", "knight-fills", "runaway"} <= set(names)


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    done = _trader(tmp_path, "drill", "runawya")
    assert done.returncode == 2
    assert "did you mean runaway" in done.stderr


def test_the_users_own_strategy_is_played_with_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from trader import Signal\n"
        "class Always:\n"
        "    def __init__(self, probability):\n"
        "        self.probability = probability\n"
        "    def on_bar(self, bar):\n"
        "        yield Signal(bar.symbol, self.probability)\n"
    )
    lines = ("[strategy]", 'entry = "mine:Always"', "params = {probability = %s}")
    for probability, verdict in ((0.8, "caught"), (0.5, "not played")):
        config = _default(tmp_path, *(line % probability if "%" in line else line for line in lines))
        done = _trader(tmp_path, "drill", "own-strategy", "--config", config, "--json")
        assert done.returncode == 0, done.stderr[-2000:]
        [told] = json.loads(done.stdout)["drills"]
        assert told["verdict"] == verdict
        assert "Always" in told["happened"]


def test_several_accounts_are_drilled_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own money and limits; the other one is the neighbour whose executions come in."""
    monkeypatch.setenv("ACCOUNT_NAME", "tiny")
    config = _default(tmp_path, "[accounts.large]", "[accounts.tiny]", "starting_cash = 5_000.0")
    done = _trader(tmp_path, "drill", "two-accounts", "--config", config, "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert (told["account"], told["cash"]) == ("tiny", 5_000.0)
    assert "executions of large" in told["drills"][0]["happened"]
