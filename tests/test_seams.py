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


def _faults(source: str) -> list[str]:
    """Named is as good as called: what is kept under another name is called where nobody looks."""
    found: list[tuple[ast.expr | ast.stmt, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found.append((node, _fault_of_name(node)))
        elif isinstance(node, ast.Call):
            found.append((node, _fault_of_making(node)))
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and _names_the_group(node):
            found.append((node, "a name that only the task group has"))
    return [f"line {node.lineno}: {ast.unparse(node)}, {fault}" for node, fault in found if fault]


def _fault_of_name(node: ast.Attribute) -> str:
    if node.attr == "create_task" and ast.unparse(node.value) != _TASK_GROUP:
        return "a task that the daemon's task group does not own"
    return _PAST_THE_HOST.get(node.attr, "")


def _fault_of_making(node: ast.Call) -> str:
    made = ast.unparse(node.func).split(".")[-1]
    if made == "Task":
        return "a task that the daemon's task group does not own"
    return "chance without a seed" if made == "Random" and not node.args else ""


def _names_the_group(node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == _TASK_GROUP for target in targets)


_SIMULATED = [path for path in sorted(_TRADER.rglob("*.py")) if "ibkr" not in path.parts]
"""Timers of one session with Interactive Brokers are the session's own, and end with it."""


@pytest.mark.parametrize("path", _SIMULATED, ids=lambda path: str(path.relative_to(_TRADER)))
def test_nothing_is_started_past_the_seams(path: Path) -> None:
    assert _faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "loop.run_in_executor(None, read)",
        "loop.create_task(run())",
        "loop.call_later(1, x)",
        "spawn = loop.create_task",
        "group = asyncio.get_running_loop()",
        "random.Random()",
        "asyncio.Task(run())",
    ],
)
def test_what_is_started_past_the_seams_is_seen(line: str) -> None:
    assert _faults(line)
