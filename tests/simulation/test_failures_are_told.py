"""A violation is told so that somebody can go and see; and no run that fails in any way goes unnoticed."""

import multiprocessing
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulation.command import main
from simulation.crew import Interrupt, all_of
from simulation.invariants.registry import ALL, Invariant, When
from simulation.runs import Run
from simulation.scene import Scene
from simulation.seeds import Ledger, commit_here

from trader.app.cli import main as trader

_LEAST_STRIKES = 3


def nobody_sells_after_three_faults(scene: Scene) -> Iterator[str]:
    """No invariant at all, so that it is violated soon."""
    for ref, order in scene.history.orders.items():
        if order.side.value == "SELL" and scene.faults.strikes_made >= _LEAST_STRIKES:
            yield f"{order.symbol} is sold by {ref}"


@pytest.fixture
def _planted() -> Iterator[None]:
    planted = Invariant(99, When.STEP, nobody_sells_after_three_faults)
    ALL.append(planted)
    yield
    ALL.remove(planted)


@pytest.mark.usefixtures("_planted")
def test_a_violation_is_told_with_all_that_is_needed_to_see_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    typed = ["--days", "1", "--days-per-run", "1", "--seed", "told", "--jobs", "2", "--ledger", str(ledger)]
    assert main(typed) == 1
    told, again = capsys.readouterr().out, "scripts/simulate --seed told --days-per-run 1 --run 0"
    assert "INVARIANT 99: nobody sells after three faults" in told
    assert re.search(r"market time +200[01]-\d\d-\d\d \d\d:\d\d:\d\d UTC, in life \d+, \d+ faults had struck", told)
    assert f"  commit          {commit_here()}\n  again           {again}\n" in told
    assert f"the first {_LEAST_STRIKES} faults: with one less it does not fail" in told
    assert f"scripts/simulate --seed told --days-per-run 1 --run 0 --limit {_LEAST_STRIKES}\n" in told
    assert "last to strike" in told
    assert "The last lines of its log" in told
    story = re.search(r"The story of order (\S+)", told)
    assert story is not None
    kept = tmp_path / "failures" / f"told-0-days-1-limit-{_LEAST_STRIKES}"
    more = re.search(rf"trader (why {story[1]} --config \S+ --db {kept}\S+)", told)
    assert more is not None
    monkeypatch.setattr(sys, "argv", ["trader", *shlex.split(more[1])])
    with pytest.raises(SystemExit) as asked:
        trader()
    assert asked.value.code == 0
    assert sorted(path.name for path in kept.parent.iterdir()) == ["told-0-days-1", kept.name]
    assert [line.days for line in Ledger(ledger).lines()] == [0]


def test_a_run_whose_process_dies_has_failed(tmp_path: Path) -> None:
    def kill() -> None:
        for child in multiprocessing.active_children():
            child.kill()

    (ran,) = all_of([Run("dies", 0, 5)], 1, tmp_path, Interrupt(), kill)
    assert ran.violation is not None
    assert ran.violation.fault == "its process ended with the code -9"


def test_who_is_asked_to_end_lets_the_runs_end_that_have_begun(tmp_path: Path) -> None:
    interrupt = Interrupt()
    begun = [Run("ends", number, 1) for number in range(6)]

    def ask() -> None:
        interrupt.is_asked = True

    ended = list(all_of(begun, 2, tmp_path, interrupt, ask))
    assert sorted(ran.run.number for ran in ended) == [0, 1]
    assert all(ran.outcome.trace for ran in ended)
