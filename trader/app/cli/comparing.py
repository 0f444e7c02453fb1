"""`trader replay --compare-live DATE`: what a live day decided, and what it would decide now."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from trader.adapters.sqlite.database import read_only
from trader.app.cli.output import Exit, complain, say, show_facts
from trader.domain.errors import ConfigurationError

if TYPE_CHECKING:  # the engine's own imports are slow
    from collections.abc import Callable

    from trader.app.compare_live.divergence import Comparison, Decided, Divergence
    from trader.app.compare_live.recording import Recording
    from trader.app.settings import Settings


def compare_live_day(settings: "Settings", day: date | None, *, as_json: bool) -> None:
    """Play a day again and show where it parts. Raises DataError where it cannot be compared."""
    if day is None:
        raise ConfigurationError("--compare-live: which day? As in --compare-live 2025-06-23")
    sys.path.insert(0, "")  # a user's strategy lies in the current folder
    recording, comparison = _compared(settings, day)
    _show(settings, recording, comparison, as_json=as_json)
    if comparison.first is not None:
        raise typer.Exit(Exit.FINDINGS)


def _compared(settings: "Settings", day: date) -> "tuple[Recording, Comparison]":
    """Each run by itself, from the book as it was at its start; no further than the first that parts."""
    from trader.app.compare_live.again import play_again
    from trader.app.compare_live.divergence import Comparison, compare
    from trader.app.compare_live.recording import read_recording

    account, whole = settings.account.name, Comparison(0, 0, None)
    with closing(read_only(settings.book.db.absolute())) as live, TemporaryDirectory(prefix="trader-again-") as folder:
        live.execute("BEGIN")  # one snapshot, also of a book that is traded on
        recording = read_recording(live, account, day)
        with _progress(recording) as progress:
            for number, run in enumerate(recording.runs):
                if not run.can_be_played:
                    continue
                place = Path(folder) / f"again-{number}.db"
                first_event = asyncio.run(play_again(live, recording, run, settings, place, _Silent(), progress))
                with closing(read_only(place)) as again:
                    found = compare(live, again, account, run, first_event)
                whole = Comparison(whole.signals + found.signals, whole.events + found.events, found.first)
                if found.first is not None:
                    break
    return recording, whole


class _Silent:
    """What is said again is in the new book."""

    def info(self, *messages: str) -> None:
        """Kept in the book."""

    def warning(self, *messages: str) -> None:
        """Kept in the book."""

    def error(self, *messages: str) -> None:
        """Kept in the book."""


@contextmanager
def _progress(recording: "Recording") -> "Iterator[Callable[[int], None]]":
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("playing again"), BarColumn(), MofNCompleteColumn(), TextColumn("inputs"))
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, refresh_per_second=5, transient=True) as progress:
        task = progress.add_task("again", total=sum(len(run.inputs) for run in recording.runs))
        yield lambda inputs: progress.advance(task, inputs)


def _show(settings: "Settings", recording: "Recording", comparison: "Comparison", *, as_json: bool) -> None:
    first = comparison.first
    facts: dict[str, object] = {
        "day": recording.day.isoformat(),
        "account": settings.account.name,
        "runs": len(recording.runs),
        "inputs": sum(len(run.inputs) for run in recording.runs),
        "signals": comparison.signals,
        "events": comparison.events,
        "same": first is None,
    }
    untold = [run.untold for run in recording.runs if run.untold is not None]
    if as_json:
        more = {
            "first_divergence": _as_facts(first) if first is not None else None,
            "not_compared": [{**one._asdict(), "since": one.since.isoformat()} for one in untold],
        }
        show_facts({**facts, **more}, as_json=True)
        return
    show_facts(facts, as_json=False, title="Played again")
    for one in untold:
        complain(
            f"NOT COMPARED from {one.since:%Y-%m-%d %H:%M:%S} UTC on, to the end of that run: {one.why} "
            f"({one.events} events)"
        )
    if first is None:
        complain(f"{recording.day}: decided as it was" + (", as far as it can be compared" if untold else ""))
        return
    for name, decided, why in (("live", first.live, first.why_live), ("now", first.now, first.why_now)):
        say("")
        say(f"{name}\t{_in_words(decided)}")
        for line in why:
            say(f"\t{line}")
    complain(f"{recording.day}: the first divergence is at {first.at:%Y-%m-%d %H:%M:%S} UTC")


def _in_words(decided: "Decided | None") -> str:
    if decided is None:
        return "nothing more was decided here"
    facts = ", ".join(f"{name} {value}" for name, value in decided.facts.items() if value not in (None, ""))
    return f"{decided.what} {decided.id} {decided.symbol} at {decided.at:%H:%M:%S}: {facts}"


def _as_facts(first: "Divergence") -> dict[str, object]:
    return {
        "at": first.at.isoformat(),
        "live": _decided(first.live),
        "now": _decided(first.now),
        "why_live": list(first.why_live),
        "why_now": list(first.why_now),
    }


def _decided(decided: "Decided | None") -> dict[str, object] | None:
    if decided is None:
        return None
    return {**decided._asdict(), "at": decided.at.isoformat(), "facts": dict(decided.facts)}
