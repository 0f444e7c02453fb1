"""What is typed: a run that is named is the run that failed, and what makes no sense is said."""

import shlex

import pytest
from simulation.asked import asked
from simulation.runs import Run


def test_days_are_rounded_up_to_whole_runs() -> None:
    assert [run.seed for run in asked(["--days", "11", "--seed", "a"]).runs(first=4)] == ["a:4", "a:5", "a:6"]


@pytest.mark.parametrize("run", [Run("a", 7, 5), Run("a", 0, 1, 12)])
def test_a_run_is_seen_again_by_its_command(run: Run) -> None:
    assert asked(shlex.split(run.command)[1:]).runs(first=0) == [run]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--days 0", "argument --days: give a whole number, 1 or more, not '0'"),
        ("--days many", "argument --days: give a whole number, 1 or more, not 'many'"),
        ("--seed a:b", "argument --seed: give a word of letters, digits, '-', '_' and '.', not 'a:b'"),
        ("--limit 3", "--limit is for one run; name it with --run"),
        ("--run 3 --resume", "--run is one run and --resume those after the last; leave one of them out"),
    ],
)
def test_what_makes_no_sense_is_said(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        asked(typed.split())
    assert refused.value.code == 2
    assert said in capsys.readouterr().err
