"""The daemon's life: start (which is recovery), run, stop in order.

Start   run lock, book, stamp, recovery from the broker's evidence, warm-up; only then the loop begins
Run     one task group owns every task; a task that dies takes the daemon down, loudly
Stop    SIGTERM, SIGINT or `trader stop`: no more bars, finish the step, journal it, close. Positions stay as they are
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from trader import __version__
from trader.adapters.control import socket_path
from trader.adapters.feeds.inbox_file import InboxFile
from trader.adapters.run_lock import Holder, RunLock
from trader.adapters.run_lock import lock_path as run_lock_path
from trader.adapters.schedule import Schedule
from trader.adapters.service_manager import READY, STOPPING
from trader.adapters.spill_file import SpillFile, spill_path
from trader.adapters.sqlite.backup import backup
from trader.adapters.sqlite.inputs import Begun
from trader.adapters.sqlite.recorder import SqliteRecorder
from trader.adapters.sqlite.soundness import schema_fingerprint
from trader.adapters.strategy_process import Listener
from trader.app.auditing import Auditing
from trader.app.couriers import Couriers
from trader.app.dashboard_process import DashboardProcess
from trader.app.digest import digest_of
from trader.app.host import Host, HostedStrategies, ThisMachine, Versions
from trader.app.host_watch import HostWatch
from trader.app.installed import Running
from trader.app.marketplace import Marketplace
from trader.app.pulse import Pulse
from trader.app.requests import Requests
from trader.app.settings import Settings
from trader.app.staying import what_stays
from trader.app.wiring import Machine, OpenBook, Parts, is_opened, make_machine, make_parts, open_book
from trader.domain.alarm import AlarmType
from trader.domain.breaker import Breaker
from trader.domain.consistency import consistency_of, gaps_between
from trader.domain.decision import Rule
from trader.domain.errors import AlreadyRunning, BrokerUnreachable, TraderError
from trader.domain.events import TELLS, BreakerMeasured, JournalType, Tick, VersionCompared
from trader.domain.market import BarTime
from trader.domain.money import usd
from trader.domain.portfolio import scope_of_strategy
from trader.domain.session import NEW_YORK
from trader.services.engine import Engine
from trader.services.ports import Broker, Log
from trader.services.recovery import recover

_INQUIRE_S = 5
_TICK_S = 0.1
_FLUSH_S = 1.0
_WATCH_S = 1.0
_HEARTBEAT_S = 60.0
_COMPARE_S = 60.0
_MEASURE_S = 5.0
_LONGEST_CAUSE = 300


def lock_path(settings: Settings) -> Path:
    """Where the run lock of a (book, account) lies."""
    return run_lock_path(settings.book.db, settings.account.name)


@dataclass(slots=True)
class Stopping:
    """Set once; says why."""

    event: asyncio.Event
    reason: str = ""
    failed: bool = False

    def ask(self, reason: str) -> None:
        """Ask for an orderly stop; the first reason counts."""
        if not self.event.is_set():
            self.reason = reason
            self.event.set()


async def run_daemon(settings: Settings, host: Host | None = None) -> None:
    """Live one life, on settings whose paths are absolute. Raises TraderError for what ends it before its time."""
    async with a_daemon(settings, host or ThisMachine()) as daemon:
        await daemon.recover()
        await daemon.run()


@asynccontextmanager
async def a_daemon(settings: Settings, host: Host) -> AsyncIterator["Daemon"]:
    """A daemon on an open book, not recovered yet; everything is closed in order when the block is left."""
    strategies = host.strategies(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(strategies.close)
        await strategies.spawn()  # it comes to life while the files are read
        installed = host.installed(settings)
        parts = make_parts(settings, strategies)
        holder = host.holder()
        await strategies.load()
        lock = RunLock.take(lock_path(settings), holder)
        stack.callback(lock.release)
        marketplace = host.marketplace(parts)
        stack.push_async_callback(marketplace.close)
        await marketplace.reach()
        writer = await host.open_writer(settings.book.db)
        stack.push_async_callback(writer.close)
        # asked of a new book alone: one that holds positions starts also where the broker does not tell
        cash_micros = 0 if await is_opened(writer, settings) else await marketplace.opening_cash_micros()
        book = await open_book(writer, settings.book.db, settings, settings.mode, cash_micros, host.clock.now())
        await book.store.check_newest_events()
        spill = host.open_spill(spill_path(settings.book.db, settings.account.name))
        stack.callback(spill.close)
        opened = Opened(
            settings=settings,
            host=host,
            parts=parts,
            installed=installed,
            strategies=strategies,
            marketplace=marketplace,
            book=book,
            holder=holder,
            lock=lock,
            spill=spill,
        )
        daemon = await Daemon.prepare(opened)
        stack.push_async_callback(daemon.close)
        yield daemon


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a life has opened, and what it found. Who has opened it closes it."""

    settings: Settings
    host: Host
    parts: Parts
    installed: Versions
    strategies: HostedStrategies
    marketplace: Marketplace
    book: OpenBook
    holder: Holder
    lock: RunLock
    spill: SpillFile


class Daemon:
    """Everything that runs, owned in one place."""

    def __init__(
        self,
        opened: Opened,
        running: Running,
        log: Log,
        recorder: SqliteRecorder,
        machine: Machine[Broker],
        inbox: InboxFile | None,
    ) -> None:
        self._settings = settings = opened.settings
        self._host = host = opened.host
        self._parts = opened.parts
        self._running = running
        self._strategies = opened.strategies
        self._book = opened.book
        self._holder = opened.holder
        self._lock = opened.lock
        self._robbed: AlreadyRunning | None = None
        self._marketplace = opened.marketplace
        self._recorder = recorder
        self._machine = machine
        self._inbox = inbox
        self._log = log
        self._stopping = Stopping(asyncio.Event())
        self._pulse = Pulse(machine.engine, self._marketplace.clock, host.tell_manager)
        self._schedule = Schedule(log, self._chore_failed)
        free_bytes = partial(host.aside, partial(host.free_bytes, settings.book.db.parent))
        self._host_watch = HostWatch(self._parts.chain.rules.breakers[Breaker.LOOP_LAG], free_bytes)
        self._couriers = self._make_couriers()
        self._auditing = self._make_auditing()
        self._control = host.door(socket_path(settings.book.db, settings.account.name), self._make_requests().answer)

    @classmethod
    async def prepare(cls, opened: Opened) -> "Daemon":
        """Put the machine together; the marketplace goes on where the book ends."""
        marketplace, book = opened.marketplace, opened.book
        await marketplace.begin(book)
        log = opened.host.log(marketplace.clock)
        recorder = SqliteRecorder(book.writer)
        running = opened.installed.on(await book.writer.transact(schema_fingerprint))
        machine = await make_machine(
            opened.parts,
            book,
            marketplace.clock,
            log,
            recorder,
            opened.spill,
            marketplace.broker,
            build=running.build.stamp,
        )
        inbox = await _inbox_file(opened.settings, book, log)
        return cls(opened, running, log, recorder, machine, inbox)

    def _make_couriers(self) -> Couriers:
        settings, host = self._settings, self._host
        channels, digest = host.channels(settings), partial(host.aside, partial(digest_of, settings))
        return Couriers(settings, channels, self._book, self.engine, self._marketplace, host.clock, self._log, digest)

    def _make_auditing(self) -> Auditing | None:
        watch = self._host.watch(self._settings)
        if watch is None:
            return None
        return Auditing(
            watch,
            self._host.aside,
            self.engine.inbox.post,
            self.engine.alarm,
            lambda: self.engine.book,
            self._log,
            self._settings.account.name,
            self._machine.history.findings_told,
        )

    def _make_requests(self) -> Requests:
        return Requests(
            self.engine,
            self._marketplace.clock,
            self._holder,
            self._settings.halt_files,
            self._stopping.ask,
            self._marketplace.standing,
            self._strategies.standing,
            self._running.build,
            self._pulse.as_answer,
            self._auditing.as_answer if self._auditing is not None else dict,
        )

    @property
    def engine(self) -> Engine:
        """What trades."""
        return self._machine.engine

    async def recover(self) -> None:
        """Say who we are, settle what was left, warm the strategy up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.ask, signal.Signals(number).name)
        engine, settings = self._machine.engine, self._settings
        account = settings.account.name
        self._log.info(f"Managing positions for account: {account}")
        self._log.info(
            f"START version={__version__} {self._running.build.in_words()} pid={self._holder.pid} mode={settings.mode} "
            f"book={settings.book.db} epoch={self._book.stamp.epoch} seed={self._book.stamp.seed} "
            f"cash={usd(engine.book.cash_micros)} positions={len(engine.book.positions)} account={account}"
        )
        if settings.feed.seed != self._book.stamp.seed:
            self._log.warning(
                f"SEED {settings.feed.seed} is not used: this book was begun with {self._book.stamp.seed} and keeps "
                "its market; another one needs another book (--db)"
            )
        if self._book.journal_is_empty:
            opening_cash_micros = engine.book.cash_micros
            await engine.mark(
                JournalType.ACCOUNT_OPENED, starting_cash_micros=opening_cash_micros, broker_account=settings.book_id
            )
        await engine.mark(
            JournalType.RUN_STARTED,
            kind=settings.mode,
            tells=TELLS,
            version=__version__,
            build=self._running.build.stamp,
            **self._running.build._asdict(),
            epoch=self._book.stamp.epoch,
            recorded=await self._book.store.recorded(),
        )
        await self._bar_what_is_not_listed()
        await recover(engine, self._machine.broker, self._log)
        await self._warm_up()

    async def _bar_what_is_not_listed(self) -> None:
        """Something is held, so this run is there for its exits; the next start looks again."""
        engine, account = self._machine.engine, self._settings.account.name
        for symbol, why in self._marketplace.not_listed.items():
            engine.trading.gate.close(Rule.NOT_LISTED, f"{why}; what is held is only closed until the next start")
            await engine.mark(JournalType.ALARM, alarm=AlarmType.NOT_LISTED, what=why, about=symbol)
            self._log.error(
                f"NOT LISTED {symbol}: {why}; positions are held, so that exits go on and no entry leaves: take it out "
                f"of the families or correct its name, then `./START_TRADER.sh --restart`; shares of it can only be "
                f"sold in TWS account={account}"
            )

    async def _warm_up(self) -> None:
        marketplace, trading = self._marketplace, self._machine.engine.trading
        await self._strategies.begin(self._parts.families.drivers(marketplace.symbols))
        trading.market_data.expect(marketplace.symbols)
        past: list[BarTime] = []
        try:
            past = await marketplace.past(self._strategies.warmup_bars)
        except BrokerUnreachable as error:
            self._log.warning(f"NOT WARMED UP: {error}; the strategy waits for its bars from now on, exits do not")
        now = marketplace.clock.now()
        self._recorder.begun(Begun(tuple(marketplace.symbols), tuple(past)), now)
        trading.warm_up(past, now)
        await self._strategies.ready()
        self._log.info(f"READY warmed up on {len(past)} bars, market time {now:%Y-%m-%d %H:%M:%S} UTC")

    async def run(self) -> None:
        """Run until asked to stop. Raises AlreadyRunning, after that, when the run lock was lost to another."""
        await self._control.start()
        if self._inbox is not None:
            self._inbox.begin()
        self._schedule.every(_HEARTBEAT_S, "heartbeat", self._heartbeat)
        self._schedule.every(_COMPARE_S, "compare what runs with the disk", self._compare_version)
        self._schedule.every(_WATCH_S, "keep lock and socket", self._look_after_ourselves)
        self._schedule.every(_MEASURE_S, "measure the host", self._measure_host)
        self._schedule.every(_FLUSH_S, "record inputs", self._recorder.flush)
        self._schedule.daily(18, 0, "backup", self._backup)
        self._schedule.daily(18, 30, "verify the book", self._verify)
        self._schedule.daily(23, 59, "hear the day's executions", self._machine.engine.ask_broker)
        self._host.tell_manager(READY)
        self._schedule.every(_INQUIRE_S, "ask about orders of unknown fate", self._machine.engine.inquire)
        if self._auditing is not None:
            self._auditing.begin(self._schedule)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._machine.engine.run(), name="engine")
                group.create_task(self._schedule.run(), name="chores")
                others = [
                    group.create_task(self._tick(), name="tick"),
                    group.create_task(self._follow_inbox()),
                    group.create_task(self._marketplace.keep(), name="connection"),
                    group.create_task(self._strategies.keep(self._listener()), name="strategy"),
                    group.create_task(DashboardProcess(self._settings, self._log).keep(), name="dashboard"),
                ]
                if self._couriers:
                    others.append(group.create_task(self._couriers.run(), name="couriers"))
                engine = self._machine.engine
                await self._marketplace.play(self._publish, self._stopping.event, lambda: engine.book.positions)
                await self._schedule.stop()
                for task in others:
                    task.cancel()
                self._machine.engine.stop()
        except BaseExceptionGroup as failed:
            first = failed.exceptions[0]
            self._stopping.failed = True
            self._stopping.ask(f"{type(first).__name__}: {first}")
            self._log.error(f"FAILED {type(first).__name__}: {first}")
            raise first from None
        self._log.info(f"STOP asked by {self._stopping.reason}")
        if self._robbed is not None:
            raise self._robbed

    def _listener(self) -> Listener:
        engine, key = self._machine.engine, scope_of_strategy(self._strategies.name)
        return Listener(engine.deliver, engine.inbox.post, lambda: key in engine.book.halts, self._begun_anew)

    def _begun_anew(self, shown_until: datetime | None) -> None:
        self._recorder.begun_anew(shown_until, self._marketplace.clock.now())

    async def _publish(self, bar_time: BarTime) -> None:
        """Exits are dealt with first, without the strategy; then the market may stand for a moment for its answer."""
        await self._machine.engine.deliver(bar_time)
        await self._strategies.answered()

    async def close(self) -> None:
        """Finish: take up what still waits, journal the end, say what stays."""
        self._host.tell_manager(STOPPING)
        await self._schedule.stop()
        if self._auditing is not None:
            self._auditing.end()
        await self._control.stop()
        engine = self._machine.engine
        try:
            await engine.drain()
            failed = self._stopping.failed or not self._stopping.reason
            reason, inputs = self._stopping.reason or "failed", self._recorder.taken
            await engine.mark(JournalType.RUN_STOPPED, reason=reason, failed=failed, inputs=inputs)
            await self._recorder.flush()
            if failed:
                await self._couriers.last_words()
        except TraderError as error:
            self._stopped_unwritten(error)
        else:
            stays = f"{self._held()}; their exits are in the book and are armed at the next start"
            self._stopped(stays if self._held() else "none")

    def _stopped(self, stays: str) -> None:
        self._log.info(f"STOPPED positions that stay as they are: {stays} account={self._settings.account.name}")

    def _stopped_unwritten(self, error: TraderError) -> None:
        """What the next start finds is not what this process knows; so it must not be said that all is in the book."""
        self._log.error(
            f"STOPPED and THE END IS NOT IN THE BOOK: {error}. Positions as this process knows them: "
            f"{self._held() or 'none'}; compare them with `trader positions` before the next start "
            f"account={self._settings.account.name}"
        )

    def _held(self) -> str:
        outlives = self._settings.broker.kind == "ibkr"
        return what_stays(self._machine.engine.book, broker_outlives=outlives)

    async def _tick(self) -> None:
        loop, halt_files = asyncio.get_running_loop(), self._settings.halt_files
        while True:
            began_s = loop.time()
            await asyncio.sleep(_TICK_S)
            now_s = loop.time()
            self._pulse.beat(now_s, now_s - began_s - _TICK_S)
            self._look_at_the_clocks(now_s, now_s - began_s - _TICK_S)
            halted_by = next(filter(_is_there, halt_files), None)
            if halted_by is not None:
                await self._machine.engine.halt_by_file(halted_by.name)
            await self._machine.engine.inbox.put(Tick(self._marketplace.skew()))

    def _look_at_the_clocks(self, now_s: float, lag_s: float) -> None:
        asleep_s = self._host_watch.beat(now_s, lag_s, self._host.clock.now(), self._host.suspended_s())
        if asleep_s:
            self._log.warning(
                f"HOST SUSPENDED for {asleep_s:.0f} s: nothing was watched. Prices, the broker's word and the "
                f"exit scan are as old, until they are heard anew account={self._settings.account.name}"
            )

    async def _measure_host(self) -> None:
        for measured in [*await self._host_watch.measured(), *self._couriers.measured()]:
            await self._machine.engine.inbox.put(measured)

    async def _follow_inbox(self) -> None:
        if self._inbox is not None:
            await self._inbox.run(self._machine.engine.inbox.put, self._host.aside)

    def _chore_failed(self, name: str, said: str) -> None:
        self._machine.engine.alarm(AlarmType.CHORE_FAILED, name, said)

    async def _look_after_ourselves(self) -> None:
        self._couriers.look(asyncio.get_running_loop().time())
        await self._keep_lock_and_socket()

    async def _keep_lock_and_socket(self) -> None:
        """Somebody may remove our files. What is ours is made again; a lock that another has is his: we stop."""
        try:
            if self._lock.keep():
                self._log.warning("RUN LOCK was removed, and is made again; no other trader had begun on this book")
        except AlreadyRunning as error:
            self._robbed = error
            self._log.error(f"RUN LOCK LOST: {error}")
            self._stopping.ask("the loss of the run lock")
            return
        if await self._control.keep():
            self._log.warning("SOCKET was removed, and is made again")

    async def _heartbeat(self) -> None:
        engine = self._machine.engine
        book, scan = engine.book, engine.trading.exits.last
        held = {position.symbol: position.quantity for position in book.positions.values()}
        differs = " VERSION DIFFERS" if engine.trading.version_guard.differs else ""
        self._log.info(
            f"HEARTBEAT market={self._marketplace.clock.now().astimezone(NEW_YORK):%Y-%m-%d %H:%M} ET "
            f"equity={usd(book.equity_micros(engine.trading.prices))} cash={usd(book.cash_micros)} "
            f"positions={len(book.positions)} orders={len(book.orders)} signals={engine.trading.signals} "
            f"exits={consistency_of(held, gaps_between(held, scan.armed, scan.unarmed))} "
            f"halts={','.join(book.halts) or '-'} breakers={','.join(book.latches) or '-'}{differs} "
            f"account={book.account}"
        )

    async def _compare_version(self) -> None:
        """Whether what runs is still what lies on the disk, beside the loop; told where that has changed."""
        engine = self._machine.engine
        differs = await self._host.aside(self._running.differs)
        if differs != engine.trading.version_guard.differs:
            await engine.inbox.put(VersionCompared(differs))

    async def _backup(self) -> None:
        book = self._settings.book
        copy = await self._host.aside(backup, book.db, book.backups, self._host.clock.now(), book.backups_kept)
        self._log.info(f"BACKUP {copy}")

    async def _verify(self) -> None:
        """Every page and the whole chain, by `trader doctor --full`, beside the loop. Damage trips a breaker."""
        faults = await self._host.verify(self._settings)
        if faults:
            cause = f"the book is damaged: {faults}"[:_LONGEST_CAUSE]
            self._log.error(f"VERIFIED and NOT SOUND: {faults}")
            await self._machine.engine.inbox.put(BreakerMeasured(Breaker.AUDIT, 1, cause, {}))
        else:
            self._log.info("VERIFIED the book: every page, every reference, the whole chain of events")


async def _inbox_file(settings: Settings, book: OpenBook, log: Log) -> InboxFile | None:
    """The file of signals, from where the book says it was read. Raises BookError."""
    path = settings.inbox_path()
    if path is None:
        return None
    start = await book.store.inbox_offset(str(path))
    return InboxFile(path, start, log.warning)


def _is_there(path: Path) -> bool:
    """Without an error for a folder that cannot be searched any more: that must not end the daemon."""
    return os.path.exists(path)
