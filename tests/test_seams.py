"""What ruff's list of banned names cannot see: tasks, timers and threads asked of an object."""

import ast
from pathlib import Path

import pytest

_TRADER = Path(__file__).parents[1] / "trader"
_PAST_THE_HOST = {
    "run_in_executor": "a thread that no simulation knows of",
    "call_later": "a timer of its own",
    "call_at": "a timer of its own",
    "add_reader": "input that no simulation knows of",
    "add_writer": "input that no simulation knows of",
}
_TASK_GROUP = "group"


def _calls(source: str) -> list[tuple[int, str, str]]:
    """Line, object and name of every call of a method."""
    return [
        (node.lineno, ast.unparse(node.func.value), node.func.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]


def _faults(source: str) -> list[str]:
    found = []
    for line, owner, name in _calls(source):
        if name in _PAST_THE_HOST:
            found.append(f"line {line}: {owner}.{name}, {_PAST_THE_HOST[name]}")
        if name == "create_task" and owner != _TASK_GROUP:
            found.append(f"line {line}: {owner}.{name}, a task that the daemon's task group does not own")
    return found


@pytest.mark.parametrize("path", sorted(_TRADER.rglob("*.py")), ids=lambda path: str(path.relative_to(_TRADER)))
def test_nothing_is_started_past_the_seams(path: Path) -> None:
    assert _faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line", ["loop.run_in_executor(None, read)", "loop.create_task(run())", "loop.call_later(1, x)"]
)
def test_what_is_started_past_the_seams_is_seen(line: str) -> None:
    assert _faults(line)
