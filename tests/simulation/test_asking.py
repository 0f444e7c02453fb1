"""What is typed: a run that is named is the run that failed, and what makes no sense is said."""

import shlex

import pytest
from simulation.asked import asked
from simulation.configuration import Broker
from simulation.runs import Run


def test_days_are_rounded_up_to_whole_runs() -> None:
    assert [run.seed for run in asked(["--days", "11", "--seed", "a"]).runs(first=4)] == ["a:4", "a:5", "a:6"]


@pytest.mark.parametrize("run", [Run("a", 7, 5), Run("a", 0, 1, 12), Run("a", 2, 5, 3, Broker.GATEWAY)])
def test_a_run_is_seen_again_by_its_command(run: Run) -> None:
    assert asked(shlex.split(run.command)[1:]).runs(first=0) == [run]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--days 0", "argument --days: give a whole number, 1 to 1,000,000, not '0'"),
        ("--days many", "argument --days: give a whole number, 1 to 1,000,000, not 'many'"),
        ("--days 1000000000000", "argument --days: give a whole number, 1 to 1,000,000, not '1000000000000'"),
        ("--days-per-run 20000", "argument --days-per-run: give a whole number, 1 to 250, not '20000'"),
        ("--run -1", "argument --run: "),
        ("--seed a:b", "argument --seed: give a word of letters, digits, '-', '_' and '.' that begins with"),
        ("--seed=-x", "argument --seed: give a word of letters, digits, '-', '_' and '.' that begins with"),
        (f"--seed {'x' * 65}", "argument --seed: give a word of at most 64 letters"),
        ("--limit 3", "--limit is for one run; name it with --run"),
        ("--run 3 --resume", "--run is one run and --resume those after the last; leave one of them out"),
    ],
)
def test_what_makes_no_sense_is_said(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        asked(typed.split())
    assert refused.value.code == 2
    assert said in capsys.readouterr().err
