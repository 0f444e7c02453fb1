"""The process that is killed: the daemon as it is, with failpoints, a broker elsewhere, and trouble on the way.

Everything is put in place here, by assignment, in a process that ends with this life: the product knows nothing of it.
"""

import asyncio
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from crash_rig.failpoints import BadDisk, Failpoints, install
from crash_rig.messages import Mischief
from crash_rig.remote_broker import RemotePaperBroker
from trader.adapters.clock import SteppedClock
from trader.adapters.control import DaemonDown, NoAnswer, ask, socket_path
from trader.adapters.logs import open_log
from trader.app import daemon
from trader.app.daemon import Daemon, run_daemon
from trader.app.host import ThisMachine
from trader.app.inline_strategy import InlineStrategy
from trader.app.installed import NothingChanges
from trader.app.marketplace import EmbeddedMarketplace, Emit
from trader.app.settings import Settings
from trader.app.wiring import Parts, inline_strategy
from trader.domain.market import BarTime
from trader.domain.rules import Costs, Rules
from trader.services.engine import Engine
from trader.services.ports import Clock

BORN = datetime(2001, 1, 2, 12, tzinfo=UTC)
"""When every book is made. Early: the embedded market grows its levels from the year 2000 on, at each start."""

_TRAILING_PPM = 1_500
_BETWEEN_S = 0.05
_QUICK_S = {"_INQUIRE_S": 0.03, "_TICK_S": 0.01, "_FLUSH_S": 0.03, "_WATCH_S": 0.2}
"""The daemon's own intervals, shortened like everything else that waits for real time."""


class Trouble(StrEnum):
    """What makes a life interesting, apart from the broker's mischief."""

    BAD_DISK = "the book cannot be written now and then"
    OPERATOR = "an operator gives commands"
    HALTED = "what was halted before stays halted"
    STOP = "it is stopped in order"
    BACKUP = "a backup is made"


class Plan(NamedTuple):
    """How one life is to end, and what it meets until then."""

    point: str = ""
    """The failpoint at which it ends, and at which passing of it."""
    nth: int = 1
    start_step: int = 0
    """Or: the failpoint of its start, by its number, at which it ends; 0 is none."""
    after_s: float = 0
    """Or: when it ends, seconds from its start; 0 is never."""
    troubles: frozenset[Trouble] = frozenset()
    mischief: Mischief = Mischief()


class Ready(NamedTuple):
    """Recovered. Everything stands until the rig has answered."""

    is_open: bool
    """The broker's first complete answer has been heard."""


class Armed(NamedTuple):
    """After the first bar: what is held and not watched, with the reason."""

    unarmed: tuple[tuple[str, str], ...]


class Died(NamedTuple):
    """The last word: the failpoint at which it dies, by all its names."""

    names: tuple[str, ...]


def be_the_daemon(settings: Settings, address: Path, plan: Plan, plant: Callable[[], None], rig: Connection) -> None:
    """Live. Does not return."""
    code = 1
    try:
        _prepare(settings, plan, rig)
        plant()
        asyncio.run(run_daemon(settings, RiggedMachine(address)))
        code = 0
    except BaseException:  # noqa: BLE001  (the process's edge: the rig reads it there)
        with settings.log.file.open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
    finally:
        os._exit(code)


class RiggedMachine(ThisMachine):
    """This machine, long ago, with the rig's broker."""

    def __init__(self, address: Path) -> None:
        super().__init__()
        self._address = address

    @property
    def clock(self) -> Clock:
        """It stands."""
        return SteppedClock(BORN)

    def installed(self, settings: Settings) -> NothingChanges:
        """Nobody works on it meanwhile."""
        del settings
        return NothingChanges()

    def strategies(self, settings: Settings) -> InlineStrategy:
        """Here: a process would answer whenever it likes."""
        return inline_strategy(settings)

    def marketplace(self, parts: Parts) -> EmbeddedMarketplace:
        """The embedded market, and a broker that outlives the process."""
        return RiggedMarketplace(parts, self._address)


class RiggedMarketplace(EmbeddedMarketplace):
    """Its broker is a process of its own."""

    def __init__(self, parts: Parts, address: Path) -> None:
        super().__init__(parts)
        self._address = address

    def make_broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> RemotePaperBroker:
        """It has costs of its own, and knows better what is held."""
        del costs, positions
        return RemotePaperBroker(emit, self._address)


def _prepare(settings: Settings, plan: Plan, rig: Connection) -> None:
    log, account = settings.log, settings.account.name
    open_log(log.file, account, log.level, log.rotation, log.retention, on_terminal=False)
    for name, seconds in _QUICK_S.items():
        _put(daemon, name, seconds)
    _trail_stops()
    failpoints = Failpoints(plan.point, plan.nth, plan.start_step, lambda names: rig.send(Died(names)))
    install(failpoints, BadDisk(takes=10, refuses=10) if Trouble.BAD_DISK in plan.troubles else None)
    _tell_when_ready(settings, plan, failpoints, rig)
    _tell_when_armed(plan, rig)


def _put(owner: object, name: str, value: object) -> None:
    """Refuses what is not there: a rig that replaces nothing would test nothing."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} any more; bring the rig up to date")
    setattr(owner, name, value)


def _trail_stops() -> None:
    """Trailing stops have no key in the configuration, and are events of their own."""
    rules = Settings.rules

    def with_trailing(settings: Settings) -> Rules:
        made = rules(settings)
        return replace(made, exits=replace(made.exits, trailing_ppm=_TRAILING_PPM))

    _put(Settings, "rules", with_trailing)


def _tell_when_ready(settings: Settings, plan: Plan, failpoints: Failpoints, rig: Connection) -> None:
    recover = Daemon.recover

    async def recovered(self: Daemon) -> None:
        await recover(self)
        engine = self._machine.engine
        rig.send(Ready(not engine.trading.reconciliation.is_first))
        rig.recv()
        asyncio.get_running_loop().add_reader(rig.fileno(), os._exit, 1)  # it says no more: that is its end
        failpoints.is_recovering = False
        Operator(settings, plan.troubles, engine).start()

    _put(Daemon, "recover", recovered)


def _tell_when_armed(plan: Plan, rig: Connection) -> None:
    """Not with a bad disk: a scan may then be of a step that has not happened."""
    deliver = Engine.deliver
    told = Trouble.BAD_DISK in plan.troubles

    async def delivered(self: Engine, bar_time: BarTime) -> None:
        nonlocal told
        await deliver(self, bar_time)
        if not told:
            told = True
            armed = self.trading.exits.last
            unarmed = {
                symbol: armed.unarmed.get(symbol, "not looked at")
                for symbol in self.book.positions
                if symbol not in armed.armed
            }
            rig.send(Armed(tuple(unarmed.items())))

    _put(Engine, "deliver", delivered)


class Operator(threading.Thread):
    """Somebody at the socket, from a thread of the daemon's own process, so that he dies with it."""

    def __init__(self, settings: Settings, troubles: frozenset[Trouble], engine: Engine) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._troubles = troubles
        self._engine = engine
        self._door = socket_path(settings.book.db, settings.account.name)

    def run(self) -> None:
        """Look at it again and again, for as long as it lives."""
        if Trouble.BACKUP in self._troubles:
            book = self._settings.book
            backup: Callable[..., object] = getattr(daemon, "backup")  # noqa: B009  (the wrapped one)
            backup(book.db, book.backups, datetime.now(UTC), book.backups_kept)
        while True:
            time.sleep(_BETWEEN_S)
            if Trouble.OPERATOR in self._troubles:
                self._ask("cash", kind="deposit", amount_micros=1_250_000)
                self._ask("flatten")
            if Trouble.STOP in self._troubles:
                os.kill(os.getpid(), signal.SIGTERM)
            if "all" in self._engine.book.halts and Trouble.HALTED not in self._troubles:
                self._ask("resume")

    def _ask(self, what: str, **more: object) -> None:
        """It may not listen yet, or not any more: then it is asked the next time."""
        with suppress(NoAnswer, DaemonDown):
            ask(self._door, {"ask": what, "operator": "rig", "reason": "the rig wants it", **more})
