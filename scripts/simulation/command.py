"""`scripts/simulate`: what is asked for is carried out, put into the ledger, and told."""

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from simulation.asked import Asked, asked
from simulation.crew import Interrupt, all_of
from simulation.failure import Report
from simulation.progress import Totals, display
from simulation.runs import Ran, Run
from simulation.seeds import Batches, Ledger, Line, commit_here
from simulation.shrinking import Shortest, shortest
from simulation.summary import summary

_TOLD = 3
"""Violations that are told of at length: looking into each takes up to a minute."""


def main(arguments: Sequence[str]) -> int:
    """Do what is asked. The exit code is 1 where something was violated, 2 where it was asked wrongly or not kept."""
    wanted = asked(arguments)
    ledger = Ledger(wanted.ledger.absolute())
    try:
        if wanted.summary:
            print(summary(ledger.counting()))
            return 0
        commit = commit_here()
        first = ledger.next_run(commit, wanted.seed, wanted.days_per_run) if wanted.resume else 0
        ledger.begin()
        if wanted.traces is not None:
            wanted.traces.write_text("")
    except (ValueError, OSError) as error:
        print(f"scripts/simulate: {error}", file=sys.stderr)
        return 2
    with Interrupt() as interrupt:
        return Simulation(wanted, ledger, commit, interrupt).simulate(wanted.runs(first))


class Simulation:
    """What was asked for, under way."""

    def __init__(self, wanted: Asked, ledger: Ledger, commit: str, interrupt: Interrupt) -> None:
        self._wanted = wanted
        self._ledger = ledger
        self._commit = commit
        self._interrupt = interrupt
        self._keep = wanted.ledger.absolute().parent / "failures"
        self._is_unwritten = False

    def simulate(self, runs: Sequence[Run]) -> int:
        """All of it; the exit code."""
        totals = Totals(sum(run.days for run in runs))
        traces: dict[int, str] = {}
        for ran in self._recorded(self._shown(runs, totals), runs[0].number):
            traces[ran.run.number] = f"{ran.run.seed} {ran.outcome.trace}\n"
        if self._wanted.traces is not None:
            self._wanted.traces.write_text("".join(trace for _, trace in sorted(traces.items())))
        ended = "; ended before its time" if self._interrupt.is_asked else ""
        print(f"{totals}; {totals.lives:,} lives, {totals.events:,} events{ended}", flush=True)
        self._tell(sorted(totals.failures, key=lambda failure: failure.run.number))
        return 1 if totals.failures else 2 if self._is_unwritten else 0

    def _shown(self, runs: Sequence[Run], totals: Totals) -> Iterator[Ran]:
        with display(totals) as shown:
            try:
                for ran in all_of(runs, self._wanted.jobs, self._keep, self._interrupt, shown.tick):
                    totals.add(ran)
                    yield ran
            except KeyboardInterrupt:
                return

    def _recorded(self, ran: Iterable[Ran], first: int) -> Iterator[Ran]:
        """Put them into the ledger as they come; one that is looked into again adds nothing."""
        if self._wanted.run is not None:
            yield from ran
            return
        batches = Batches(self._commit, first, time.monotonic())
        for each in ran:
            batches.add(each)
            for line in batches.whole(time.monotonic()):
                self._keep_line(line)
            yield each
        for line in batches.whole(time.monotonic(), least=1):
            self._keep_line(line)

    def _keep_line(self, line: Line) -> None:
        """A disk that has become full costs the line, and not the night."""
        try:
            self._ledger.append(line)
        except OSError as error:
            self._is_unwritten = True
            print(f"scripts/simulate: runs {line.first} to {line.last} are not in the ledger: {error}", file=sys.stderr)

    def _tell(self, failures: Sequence[Ran]) -> None:
        """At length of the first of each kind."""
        report = Report(self._commit)
        told: set[int] = set()
        for failure in failures:
            number = failure.violation.number if failure.violation is not None else 0
            if number in told or len(told) == _TOLD or self._interrupt.is_asked:
                report.mention(failure)
                continue
            told.add(number)
            with suppress(KeyboardInterrupt):
                report.tell(failure, self._shortest(failure))

    def _shortest(self, failure: Ran) -> Shortest:
        if self._wanted.limit is not None:
            return Shortest(failure, is_proved=False, discarded=[])
        crew = partial(_crew, jobs=self._wanted.jobs, keep=self._keep, interrupt=self._interrupt)
        found = shortest(failure, crew, self._wanted.jobs)
        for ran in found.discarded:
            if ran.folder is not None:
                shutil.rmtree(ran.folder, ignore_errors=True)
        return found


def _crew(runs: Iterable[Run], jobs: int, keep: Path, interrupt: Interrupt) -> Iterator[Ran]:
    return all_of(runs, jobs, keep, interrupt, lambda: None)
