"""Made-up one-minute bars on the exchange's real sessions: the same seed always gives the same bytes.

One `SYMBOL.csv` each (S000, S001, ...), `timestamp,open,high,low,close,volume`; the timestamp is the bar's start, UTC.
A symbol's prices depend neither on how many symbols nor on how many sessions are asked for: more only adds.

    python scripts/bench/make_bars.py --symbols 50 --sessions 20 FOLDER
"""

import argparse
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from math import exp, log
from pathlib import Path
from random import Random

from trader.adapters.calendar import load_calendar
from trader.domain.session import SessionDay

FIRST = date(2025, 2, 10)
"""A Monday. The forty sessions from here on are all whole days; the clocks change in New York after the nineteenth."""

MINUTE = timedelta(minutes=1)

_HEADER = "timestamp,open,high,low,close,volume\n"
_BAR_VOLATILITY = 0.0006  # standard deviation of a bar's log return
_GAP_VOLATILITY = 0.00005  # of a bar's open against the close before it
_OVERNIGHT_VOLATILITY = 0.004  # of a session's first open against the close before it
_WICK_VOLATILITY = 0.0002  # of how far high and low reach past the body


def sessions_from(first: date) -> Iterator[SessionDay]:
    """The exchange's sessions, the first on or after a date."""
    calendar = load_calendar()
    session = calendar.next_session(first - timedelta(days=1))
    while True:
        yield session
        session = calendar.next_session(session.day)


def symbol_name(index: int) -> str:
    """S000, S001, ..."""
    return f"S{index:03d}"


def make_bars(folder: Path, symbols: int, sessions: int, seed: int = 7) -> Path:
    """Write the files, unless they are there already. Gives the folder."""
    finished = folder / ".finished"
    if finished.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    days = list(islice(sessions_from(FIRST), sessions))
    for index in range(symbols):
        with (folder / f"{symbol_name(index)}.csv").open("w", encoding="ascii", newline="\n") as file:
            file.write(_HEADER)
            file.writelines(_lines(Random(f"{seed}-{index}"), days))
    finished.touch()
    return folder


def _lines(random: Random, days: list[SessionDay]) -> Iterator[str]:
    """One symbol's bars: a driftless walk in log prices, between 50 and 500 dollars at its beginning."""
    gauss = random.gauss
    close = exp(random.uniform(log(50), log(500)))
    for day in days:
        gap_volatility = _OVERNIGHT_VOLATILITY
        starts_at = day.opens_at
        while starts_at < day.closes_at:
            opened = close * exp(gauss(0, gap_volatility))
            close = opened * exp(gauss(0, _BAR_VOLATILITY))
            high = max(opened, close) * (1 + abs(gauss(0, _WICK_VOLATILITY)))
            low = min(opened, close) * (1 - abs(gauss(0, _WICK_VOLATILITY)))
            # Rounding is monotonic, so the order low <= open, close <= high survives it.
            prices = f"{opened:.2f},{high:.2f},{low:.2f},{close:.2f}"
            yield f"{starts_at:%Y-%m-%dT%H:%M:%SZ},{prices},{random.randrange(1_000, 50_000)}\n"
            gap_volatility = _GAP_VOLATILITY
            starts_at += MINUTE


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description="Write made-up one-minute bars on the exchange's real sessions.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    if not 1 <= args.symbols <= 1000 or args.sessions < 1:
        parser.error("--symbols must be 1 to 1000 and --sessions at least 1")
    print(make_bars(args.folder, args.symbols, args.sessions, args.seed))


if __name__ == "__main__":
    main()
