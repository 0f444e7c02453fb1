"""The same bars and seed give the same journal: in another process, with another PYTHONHASHSEED."""

import json
import os
import subprocess
import sys
from pathlib import Path

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.domain.session import new_york_date

TRADER = (sys.executable, "-m", "trader")
CONFIG = Path(__file__).parents[2] / "config" / "default.toml"


def write_bars(folder: Path, sessions: int) -> None:
    """Bars of the embedded market, as files."""
    calendar = load_calendar()
    market = SimulatedMarket(3, calendar)
    day = calendar.next_session(new_york_date(calendar.next_session(calendar.first.replace(year=2025)).opens_at)).day
    files = {symbol: (folder / f"{symbol}.csv").open("w") for symbol in market.symbols}
    for file in files.values():
        file.write("timestamp,open,high,low,close,volume\n")
    for _ in range(sessions):
        for bar_time in market.session_bars(day):
            for bar in bar_time.bars:
                stamp = bar.timestamp.isoformat()
                files[bar.symbol].write(f"{stamp},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}\n")
        day = calendar.next_session(day).day
    for file in files.values():
        file.close()


def digest(folder: Path, db: Path, hash_seed: str, *options: str) -> tuple[str, int]:
    """The journal's digest of a replay in a process of its own."""
    done = subprocess.run(
        [*TRADER, "replay", str(folder), "--config", str(CONFIG), "--db", str(db), "--json", *options],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    summary = json.loads(done.stdout)
    return summary["journal_digest"], summary["fills"]


def test_the_same_bars_give_the_same_journal_in_any_process(tmp_path: Path) -> None:
    """Two processes, two hash seeds, two books; and another seed gives another journal."""
    bars = tmp_path / "bars"
    bars.mkdir()
    write_bars(bars, sessions=2)

    first, fills = digest(bars, tmp_path / "a.db", "1")
    second, _ = digest(bars, tmp_path / "b.db", "20260101")
    other_seed, _ = digest(bars, tmp_path / "c.db", "1", "--seed", "8")

    assert fills > 0
    assert first == second
    assert other_seed != first


def test_a_replay_replaces_only_a_replays_book(tmp_path: Path) -> None:
    """A book of any other kind is left as it is."""
    bars = tmp_path / "bars"
    bars.mkdir()
    write_bars(bars, sessions=1)
    precious = tmp_path / "trading_data.db"
    precious.write_bytes(b"not a replay")

    done = subprocess.run(
        [*TRADER, "replay", str(bars), "--config", str(CONFIG), "--db", str(precious)],
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )

    assert done.returncode == 2
    assert "name another one with --db" in done.stderr
    assert precious.read_bytes() == b"not a replay"
