"""One measured replay in a process of its own, by the code that `trader replay` runs: prints one JSON object.

Everything is on: one commit at full durability for each bar time that changes something, the hash-chained journal,
locks, reservations, exits watched on each bar. The members:

    start_s, start_mb   from the start of the process until an engine stands on an open book, before any data
    load_s              reading and checking the files
    run_s, cpu_s        everything after it: book made, tape played, summary read back; elapsed, and processor time
    peak_mb             the most resident memory the process ever had
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from process_figures import peak_resident_mb, resident_mb, seconds_since_start

from trader.adapters.clock import SteppedClock
from trader.adapters.paper.broker import PaperBroker
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.app.replay import NoInputs, NoSpill, ReplayRequest, override, read_request, replay
from trader.app.settings import Settings, load_settings
from trader.app.wiring import make_machine, make_parts, open_book

_CONFIG = Path(__file__).with_name("bench.toml")
_NOON = datetime(2025, 2, 10, 17, 0, tzinfo=UTC)


class Complaints:
    """A log that lets nothing pass unseen: a benchmark in which something went wrong measures nothing."""

    def info(self, *messages: str) -> None:
        """Not said."""

    warning = info

    def error(self, *messages: str) -> None:
        """Stop."""
        raise SystemExit(f"the benchmark's replay complains: {messages}")


async def _stand(settings: Settings, folder: Path) -> None:
    """Put an engine on an open book."""
    parts = make_parts(settings)
    clock = SteppedClock(_NOON)
    db = folder / "start.db"
    book = await open_book(
        InlineWriter(connect(db)), db, settings, "replay", settings.account.starting_cash_micros, clock.now()
    )
    await make_machine(parts, book, clock, Complaints(), NoInputs(), NoSpill(), PaperBroker, lambda _: None)
    await book.store.close()


def _measure(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    settings = load_settings(_CONFIG)
    settings = load_settings(_CONFIG, strategy=override(settings, args.strategy, args.param))
    asyncio.run(_stand(settings, folder))
    start_s, start_mb = seconds_since_start(), resident_mb()

    request = ReplayRequest(paths=[args.folder], db=folder / "replay.db")
    began = time.perf_counter()
    tape = read_request(request, settings)
    load_s = time.perf_counter() - began

    began, cpu_began = time.perf_counter(), time.process_time()
    summary = replay(request, settings, tape, Complaints(), lambda _: None)
    run_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    return {
        "bars": summary.bars_used,
        "symbols": len(tape.symbols),
        "sessions": summary.sessions,
        "fills": summary.fills,
        "refused": sum(summary.refusals.values()),
        "start_s": start_s,
        "start_mb": start_mb,
        "load_s": load_s,
        "run_s": run_s,
        "cpu_s": cpu_s,
        "peak_mb": peak_resident_mb(),
    }


def main() -> None:
    """Measure one replay."""
    parser = argparse.ArgumentParser(description="Measure one replay.")
    parser.add_argument("folder", type=Path, help="holds SYMBOL.csv files")
    parser.add_argument("--strategy", default="ema_cross:EmaCross")
    parser.add_argument("--param", action="append", default=[])
    parser.add_argument("--scratch", type=Path, default=Path.cwd(), help="where the book is written")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=args.scratch) as folder:
        json.dump(_measure(args, Path(folder)), sys.stdout)


if __name__ == "__main__":
    main()
