"""Which functions, and which lines of them, have changed since a commit."""

import ast
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from mutation.areas import Area, area_of
from mutation.tree import REPOSITORY

_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")


class Changed(NamedTuple):
    """A function that has changed."""

    area: Area
    pattern: str
    """Its mutants, by mutmut's names."""
    lines: frozenset[str]
    """Of its file: the changed ones, without their indentation."""


def changed_since(commit: str) -> list[Changed]:
    """Functions with changed lines, in files of an area. Raises CalledProcessError where git does not know it."""
    found = []
    for path in _changed_files(commit):
        if (area := area_of(path)) is not None and (REPOSITORY / path).is_file():
            found += list(_functions(area, path, _changed_lines(commit, path)))
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout


def _changed_files(commit: str) -> list[str]:
    return _git("diff", "--name-only", commit, "--", "trader/*.py").split()


def _changed_lines(commit: str, path: str) -> set[int]:
    """Their numbers, as the file is now."""
    numbers: set[int] = set()
    for match in _HUNK.finditer(_git("diff", "--unified=0", commit, "--", path)):
        first, count = int(match[1]), int(match[2] or 1)
        numbers.update(range(first, first + count))
    return numbers


def _functions(area: Area, path: str, numbers: set[int]) -> Iterator[Changed]:
    text = (REPOSITORY / path).read_text("utf-8")
    every = text.splitlines()
    lines = frozenset(every[number - 1].strip() for number in numbers if number <= len(every))
    module = path.removesuffix(".py").replace("/", ".")
    for name, first, last in _spans(ast.parse(text).body):
        if any(first <= number <= last for number in numbers):
            yield Changed(area, f"{module}.{name}__mutmut_*", lines)


def _spans(body: list[ast.stmt], of: str = "") -> Iterator[tuple[str, int, int]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (f"xǁ{of}ǁ{node.name}" if of else f"x_{node.name}"), node.lineno, node.end_lineno or node.lineno
        elif isinstance(node, ast.ClassDef) and not of:
            yield from _spans(node.body, node.name)
