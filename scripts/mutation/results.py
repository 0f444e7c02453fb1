"""What became of the mutants, as mutmut has written it down, and which survivors are explained."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

_EXPLAINED = Path(__file__).with_name("explained.toml")
_SQL = re.compile(r'"(?:SELECT|INSERT|UPDATE|DELETE|PRAGMA|CREATE|JOIN)\b[^"]*"', re.IGNORECASE)
_LITERAL = re.compile(r"('[^']*')")


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"
    NO_TESTS = "no tests"
    WAITING = "waiting"
    BROKEN = "broken"
    """The run of its tests broke, which proves nothing."""


_FATES: Mapping[int | None, Fate] = {
    None: Fate.WAITING,
    0: Fate.SURVIVED,
    1: Fate.KILLED,
    3: Fate.KILLED,
    5: Fate.NO_TESTS,
    33: Fate.NO_TESTS,
    24: Fate.TIMEOUT,
    36: Fate.TIMEOUT,
    152: Fate.TIMEOUT,
    -24: Fate.TIMEOUT,
    -9: Fate.TIMEOUT,
}


class Mutant(NamedTuple):
    """One change of one function. Its name ends in a number."""

    name: str
    module: str
    fate: Fate

    @property
    def function(self) -> str:
        """Which function it is a change of, by mutmut's name."""
        return self.name.partition("__mutmut_")[0]


class Change(NamedTuple):
    """The lines that it takes out and puts in, without their indentation."""

    was: str
    becomes: str


class Explained(NamedTuple):
    """A survivor that changes nothing which can be seen, and why."""

    function: str
    was: str
    becomes: str
    why: str


def read_mutants(place: Path) -> Iterator[Mutant]:
    """Those of an area, asked or not."""
    for path in sorted((place / "mutants" / "trader").rglob("*.meta")):
        module = str(path.relative_to(place / "mutants")).removesuffix(".meta")
        for name, code in json.loads(path.read_text("utf-8"))["exit_code_by_key"].items():
            yield Mutant(name, module, _FATES.get(code, Fate.BROKEN))


def change_of(diff: str) -> Change:
    """The change that a unified diff shows."""
    lines = diff.splitlines()
    was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    becomes = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    return Change("\n".join(was), "\n".join(becomes))


def read_explained() -> list[Explained]:
    """Every explanation that there is."""
    table = tomllib.loads(_EXPLAINED.read_text("utf-8"))
    return [Explained(**entry) for entry in table.get("explained", [])]


def explanation(mutant: Mutant, change: Change, every: list[Explained]) -> str:
    """Why it may survive; nothing where nobody has said."""
    if _without_case(change.was) == _without_case(change.becomes):
        return "SQL has no case"
    found = (one.why for one in every if (one.function, one.was, one.becomes) == (mutant.function, *change))
    return next(found, "")


def _without_case(lines: str) -> str:
    """The lines with their SQL in small letters, but for what stands in quotes there."""

    def small(sql: re.Match[str]) -> str:
        return "".join(part if part.startswith("'") else part.lower() for part in _LITERAL.split(sql[0]))

    return _SQL.sub(small, lines)
