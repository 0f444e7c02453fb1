"""Puts the failpoints into the daemon's own classes, in the process that is to die."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from crash_rig.points import BOOK_STEPS, NOTHING_JOURNALED, PORTS, READS, RECOVERY_STEPS, SPLIT, Port, When
from trader.adapters.sqlite import database
from trader.adapters.sqlite.database import ThreadWriter
from trader.app import daemon
from trader.domain.errors import BookUnwritable
from trader.domain.order import Order
from trader.services.engine import Engine
from trader.services.ports import Broker, Commit

_Result = TypeVar("_Result")
_Step = Callable[..., Any]


class Failpoints:
    """Counts what is passed, and ends the process where the plan says so."""

    def __init__(self, point: str, nth: int, start_step: int, tell: Callable[[tuple[str, ...]], None]) -> None:
        """Die at the nth passing of a point, or at the step of the start with this number; 0 is never."""
        self._point = point
        self._left = nth
        self._start_step = start_step
        self._tell = tell
        self._passed = 0
        self.is_recovering = True

    def passed(self, *names: str) -> None:
        """One moment, by all the names that it has."""
        if self.is_recovering:
            self._passed += 1
            if self._passed == self._start_step:
                self._die(names)
        if self._point in names:
            self._left -= 1
            if not self._left:
                self._die(names)

    def _die(self, names: tuple[str, ...]) -> None:
        self._tell(names)
        os.kill(os.getpid(), signal.SIGKILL)


class BadDisk:
    """Says which transactions of a life the disk does not take: every so often, a row of them."""

    def __init__(self, takes: int, refuses: int) -> None:
        self._takes = takes
        self._period = takes + refuses
        self._asked = 0

    def check(self) -> None:
        """Raises BookUnwritable."""
        self._asked += 1
        if self._asked % self._period >= self._takes:
            raise BookUnwritable("the rig lets nothing be written; wait")


def install(failpoints: Failpoints, disk: BadDisk | None, ports: Sequence[Port] = PORTS) -> None:
    """Wrap every step that there is."""
    for port in ports:
        for method in port.methods():
            if f"{port.name}.{method}" not in READS:
                _wrap(port.adapter, method, f"{port.name}.{method}", failpoints)
    for step in RECOVERY_STEPS:
        owner = Engine if hasattr(Engine, step) else next(port.adapter for port in ports if port.protocol is Broker)
        _wrap(owner, step, f"recovery.{step}", failpoints, only=lambda: failpoints.is_recovering)
    for step in BOOK_STEPS:
        _wrap(database, f"_{step}", f"book.{step}", failpoints)
    _wrap(daemon, "backup", "backup.backup", failpoints)
    _wrap_transactions(failpoints, disk)


def _wrap(owner: Any, method: str, name: str, failpoints: Failpoints, only: Callable[[], bool] = lambda: True) -> None:
    step: _Step = getattr(owner, method)

    def names(arguments: Iterable[object], when: When) -> list[str]:
        return [f"{part}.{when}" for part in _parts(name, arguments)] if only() else []

    @wraps(step)
    def plain(*arguments: object, **options: object) -> object:
        failpoints.passed(*names(arguments, When.BEFORE))
        result = step(*arguments, **options)
        failpoints.passed(*names(arguments, When.AFTER))
        return result

    @wraps(step)
    async def waiting(*arguments: object, **options: object) -> object:
        failpoints.passed(*names(arguments, When.BEFORE))
        result = await step(*arguments, **options)
        failpoints.passed(*names(arguments, When.AFTER))
        return result

    setattr(owner, method, waiting if iscoroutinefunction(step) else plain)


def _parts(name: str, arguments: Iterable[object]) -> list[str]:
    """What one call does, by name."""
    if name not in SPLIT:
        return [name]
    for argument in arguments:
        if isinstance(argument, Order):
            return [f"{name}.{argument.purpose}"]
        if isinstance(argument, Commit):
            return [f"{name}.{type_}" for type_ in _journaled(argument)]
    raise TypeError(f"{name} is split by what it does, and was called with neither an order nor a commit")


def _journaled(commit: Commit) -> list[str]:
    entries = [*commit.journal, *(exit_.journal for exit_ in commit.exits), *(made.journal for made in commit.entries)]
    return sorted({str(entry.type) for entry in entries}) or [NOTHING_JOURNALED]


def _wrap_transactions(failpoints: Failpoints, disk: BadDisk | None) -> None:
    transact = ThreadWriter.transact

    @wraps(transact)
    async def transact_in_moments(writer: ThreadWriter, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        def whole(connection: sqlite3.Connection) -> _Result:
            result = job(connection)
            failpoints.passed("writer.transact.commit")
            return result

        failpoints.passed("writer.transact.begin")
        if disk is not None and not failpoints.is_recovering:
            disk.check()
        result = await transact(writer, whole)
        failpoints.passed("writer.transact.committed")
        return result

    setattr(ThreadWriter, "transact", transact_in_moments)  # noqa: B010  (mypy: a method cannot be assigned to)
