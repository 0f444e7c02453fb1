"""The ledger of seeds: days add up, and none is counted twice."""

import subprocess
import weakref
from collections import Counter
from pathlib import Path

import pytest
from simulation.command import main
from simulation.faults import Fault
from simulation.runs import Ran, Run, failed
from simulation.seeds import BATCH, Batches, Ledger, Line, commit_here
from simulation.summary import summary
from simulation.world import Outcome


def ran(number: int) -> Ran:
    struck = Counter({Fault.KILLED: 2})
    return Ran(Run("s", number, 5), Outcome(f"s:{number}", days=5, lives=3, struck=struck, trace=f"t{number}"))


def lines_of(*runs: Ran, commit: str = "c") -> list[Line]:
    batches = Batches(commit, runs[0].run.number, 0.0)
    for each in sorted(runs, key=lambda each: -each.run.number):
        batches.add(each)
    return list(batches.whole(60.0, least=1))


def test_runs_that_end_in_any_order_become_one_line_of_consecutive_ones() -> None:
    (line,) = lines_of(*map(ran, range(7)))
    assert (line.first, line.last, line.days, line.lives, line.faults) == (0, 6, 35, 21, {"killed": 14})


def test_no_line_has_a_gap_in_it() -> None:
    assert [line.last for line in lines_of(ran(0), ran(1), ran(3))] == [1]


def test_a_line_is_whole_when_its_batch_is() -> None:
    batches = Batches("c", 0, 0.0)
    for number in range(BATCH - 1):
        batches.add(ran(number))
    assert list(batches.whole(1.0)) == []
    batches.add(ran(BATCH - 1))
    assert [line.last for line in batches.whole(1.0)] == [BATCH - 1]


def test_the_trace_of_a_line_is_that_of_its_runs() -> None:
    assert lines_of(ran(0), ran(1))[0].trace == lines_of(ran(0), ran(1), commit="d")[0].trace
    assert lines_of(ran(0), ran(1))[0].trace != lines_of(ran(1), ran(2))[0].trace


def test_a_seed_goes_on_after_its_last_run(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert ledger.next_run("c", "s", 5) == 0
    for line in lines_of(ran(0), ran(1)):
        ledger.append(line)
    assert ledger.next_run("c", "s", 5) == 2
    assert [ledger.next_run(*other) for other in (("d", "s", 5), ("c", "t", 5), ("c", "s", 1))] == [0, 0, 0]


def test_each_way_in_which_a_checkout_differs_from_its_commit_has_a_name_of_its_own(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    (tmp_path / "trader").mkdir()
    (tmp_path / "trader" / "a.py").write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "it")
    clean = commit_here(tmp_path)
    (tmp_path / "notes.txt").write_text("no run is made of them")
    assert (commit_here(tmp_path), len(clean)) == (clean, 40)
    names = set()
    for path, text in (("a.py", "2"), ("a.py", "3"), ("new.py", "4"), ("new.py", "5")):
        (tmp_path / "trader" / path).write_text(text)
        assert commit_here(tmp_path) == commit_here(tmp_path)
        names.add(commit_here(tmp_path))
    assert len(names) == 4
    assert all(name.startswith(f"{clean}-dirty-") for name in names)


def test_what_was_run_again_counts_once_and_as_it_came_out_last(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    violated = Ran(Run("s", 1, 5), failed(Run("s", 1, 5), "something"))
    for line in (*lines_of(ran(0), violated), *lines_of(ran(2)), *lines_of(ran(0), ran(1))):
        ledger.append(line)
    assert [(line.first, line.last, line.violations) for line in ledger.counting()] == [(2, 2, []), (0, 1, [])]


def test_a_violated_run_adds_no_day(tmp_path: Path) -> None:
    (line,) = lines_of(ran(0), Ran(Run("s", 1, 5), failed(Run("s", 1, 5), "something")))
    assert (line.days, line.violations) == (5, ["run 1, invariant 0: something"])
    assert "run 1, invariant 0: something" in summary([line])


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"commit": "c"}\n')
    with pytest.raises(ValueError, match=r"ledger\.jsonl:1 is no line of this ledger"):
        Ledger(path).lines()


def test_no_line_is_written_onto_one_that_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"commit": "c", "se')
    Ledger(path).append(lines_of(ran(0))[0])
    torn, whole = path.read_text().splitlines()
    assert torn == '{"commit": "c", "se'
    path.write_text(f"{whole}\n")
    assert [line.last for line in Ledger(path).lines()] == [0]


def test_a_disk_that_becomes_full_costs_the_line_and_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Ledger, line: Line) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "append", full)
    typed = ["--days", "1", "--days-per-run", "1", "--ledger", str(tmp_path / "ledger.jsonl")]
    assert main(typed) == 2
    told = capsys.readouterr()
    assert "runs 0 to 0 are not in the ledger: [Errno 28] No space left on device" in told.err
    assert "1 of 1 days" in told.out


@pytest.mark.parametrize("where", ["--ledger", "--traces"])
def test_what_cannot_be_kept_is_not_begun(where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    kept = {"--ledger": str(tmp_path / "ledger.jsonl"), where: str(tmp_path / "file" / "beneath")}
    assert main(["--days", "1", *(word for pair in kept.items() for word in pair)]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("scripts/simulate: ")
    assert told.out == ""


class _Weighed(Outcome):
    """One that can be looked for when nobody should have it any more."""


def test_runs_that_are_written_are_not_kept_in_memory() -> None:
    batches, kept = Batches("c", 0, 0.0), []
    for number in range(BATCH):
        outcome = _Weighed(f"s:{number}")
        batches.add(Ran(Run("s", number, 5), outcome))
        kept.append(weakref.ref(outcome))
    del outcome
    assert len(list(batches.whole(1.0))) == 1
    assert [alive for alive in kept if alive() is not None] == []


def test_the_summary_adds_up_by_commit_and_in_all() -> None:
    told = summary([*lines_of(ran(0)), *lines_of(ran(0), ran(1), commit="d-dirty")])
    assert "| c | 5 | 3 | 0 | 0 | 0 | 0 | 2 | 5 | 0 |" in told
    assert "| d-dirty | 10 | 6 |" in told
    assert "| all | 15 | 9 |" in told
    assert f"1 of {len(Fault)} kinds of faults" in told
