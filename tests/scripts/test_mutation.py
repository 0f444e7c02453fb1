"""`scripts/mutate` on a tree of one function: it sees who survives, explains, and keeps to what has changed."""

import subprocess
from pathlib import Path

import pytest
from mutation import changed, command, results, tree
from mutation.areas import AREAS, Area, area_of
from mutation.first_cases import first_of_each
from mutation.results import Change, Fate, Mutant, change_of, explanation, read_explained

_CODE = """
def larger(one: int, other: int) -> int:
    return one if one > other else other
"""
_TESTS = """
from trader.pipeline.numbers import larger


def test_larger() -> None:
    assert larger(1, 2) == 2
    assert larger(2, 1) == 2
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own, with an area of one file."""
    for name in ("trader/pipeline", "tests", "scripts", "config"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("trader/__init__.py", "trader/pipeline/__init__.py", "pyproject.toml", "README.md", "START_TRADER.sh"):
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text(".mutation/\n__pycache__/\n")
    (tmp_path / "trader/pipeline/numbers.py").write_text(_CODE)
    (tmp_path / "tests/test_numbers.py").write_text(_TESTS)
    for arguments in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    area = Area("pipeline", ("trader/pipeline/*",), ("tests",))
    for module in (tree, changed):
        monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    for module in (tree, command):
        monkeypatch.setattr(module, "FOLDER", tmp_path / ".mutation")
    monkeypatch.setattr(command, "AREAS", (area,))
    monkeypatch.setattr(changed, "area_of", lambda path: area if path.startswith("trader/pipeline/") else None)
    return tmp_path


def test_it_names_who_survives_takes_an_explanation_and_keeps_to_what_has_changed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["pipeline"]) == 4
    told = capsys.readouterr().out
    assert "survived: trader.pipeline.numbers.x_larger__mutmut" in told
    assert "- return one if one > other else other\n    + return one if one >= other else other" in told
    log = (repository / ".mutation/pipeline/mutmut.log").read_text()
    assert "Running mutation testing" in log
    explained = repository / "explained.toml"
    explained.write_text(
        '[[explained]]\nfunction = "trader.pipeline.numbers.x_larger"\n'
        'was = "return one if one > other else other"\nbecomes = "return one if one >= other else other"\n'
        'why = "of two that are equal either is the larger"\n'
    )
    monkeypatch.setattr(results, "_EXPLAINED", explained)
    assert command.main(["pipeline", "--report"]) == 0
    assert "1 more explained" in capsys.readouterr().out

    monkeypatch.setattr(results, "_EXPLAINED", Path(tree.__file__).with_name("explained.toml"))
    assert command.main(["--changed", "HEAD"]) == 0
    assert "no function" in capsys.readouterr().out
    (repository / "trader/pipeline/numbers.py").write_text(_CODE.replace("one > other", "one >= other"))
    assert command.main(["--changed", "HEAD"]) == 4
    told = capsys.readouterr().out
    assert "on changed lines 1 survived" in told
    assert "+ return one if one > other else other" in told


def test_of_a_test_with_many_cases_the_first_by_name_is_asked() -> None:
    assert first_of_each(["b.py::b", "a.py::a[2]", "a.py::a[1]", "b.py::a[1]"]) == {
        "b.py::b",
        "a.py::a[1]",
        "b.py::a[1]",
    }


@pytest.mark.usefixtures("repository")
def test_what_it_cannot_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["sales"]) == 2
    assert command.main(["--changed", "no-such-commit"]) == 2
    assert command.main(["pipeline", "--report"]) == 0
    said = capsys.readouterr()
    assert "there is no area sales" in said.err
    assert "nothing was asked yet" in said.out


def test_a_change_is_its_lines_without_their_indentation() -> None:
    diff = "--- a\n+++ b\n@@ -1 +1 @@\n def f():\n-    return 1\n+    return 2"
    assert change_of(diff) == Change("return 1", "return 2")


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        ("""run("SELECT a FROM t WHERE b = 'c'")""", """run("select a from t where b = 'c'")""", "SQL has no case"),
        ("""run("SELECT a FROM t WHERE b = 'c'")""", """run("SELECT A FROM T WHERE B = 'C'")""", ""),
        ('run("DELETE FROM t")', 'run("XXDELETE FROM tXX")', ""),
        ('say("Selected by hand")', 'say("SELECTED BY HAND")', ""),
    ],
)
def test_sql_in_another_case_is_explained_unless_what_is_quoted_has_changed(was: str, becomes: str, why: str) -> None:
    assert explanation(Mutant("m.x_f__mutmut_1", "m.py", Fate.SURVIVED), Change(was, becomes), []) == why


def test_every_explanation_is_of_lines_that_are_there() -> None:
    for one in read_explained():
        module = one.function.partition(".x")[0].replace(".", "/")
        code = {line.strip() for line in (tree.REPOSITORY / f"{module}.py").read_text("utf-8").splitlines()}
        assert code.issuperset(one.was.splitlines()), one


def test_what_is_no_code_is_brought_up_to_date_in_mutants_that_were_made_before(repository: Path) -> None:
    """Tests of today fail on the schema of yesterday."""
    area = Area("pipeline", ("trader/pipeline/*",), ("tests",))
    schema = repository / "trader/pipeline/schema.sql"
    schema.write_text("of yesterday")
    mutants = tree.prepare(area) / "mutants/trader/pipeline"
    mutants.mkdir(parents=True)
    (mutants / "numbers.py").write_text("mutated")
    for words in ("of yesterday", "of today"):
        schema.write_text(words)
        tree.prepare(area)
        assert (mutants / "schema.sql").read_text() == words
    assert (mutants / "numbers.py").read_text() == "mutated"


def test_every_area_has_its_code_and_its_tests() -> None:
    root = tree.REPOSITORY
    for area in AREAS:
        assert all((root / test.partition("::")[0]).exists() for test in area.tests), area
        assert all(list(root.glob(code)) for code in area.code), area
    assert area_of("trader/pipeline/size.py") == AREAS[0]
    assert area_of("trader/domain/money.py") is None
