"""A strategy in a process of its own: bars go in, answers come back as events, and nothing here waits for them.

Rule 1: whatever has not answered in time is killed, and begun anew with its last bars shown again as a warm-up. Its
other ends are treated alike: a crash, an answer that is none, an answer that nobody asked for.
Rule 2: it is begun anew later and later, up to a minute, and not at all while the strategy is disabled.
Rule 3: bars that are not answered are told once; those that come while it begins only warm it up.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from trader.adapters.child_process import ChildProcess, Ended
from trader.adapters.strategy_frames import Frame, Nonsense, line_of, plain_bars, read_line, read_said
from trader.domain.errors import ConfigurationError
from trader.domain.events import StrategyAnswered, StrategySilent
from trader.domain.market import BarTime
from trader.domain.rules import Rules
from trader.services.feeding import MOST_WARMUP_BARS
from trader.services.hearing import Hearing
from trader.services.ports import Given, Log

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_LONG_LIFE_S = 60.0
"""Who has lived for so long is begun anew at once, as the first time."""

_LONGEST_FAULT = 300
_LOOK_S = 1.0
"""How often it is asked whether a disabled strategy is allowed again."""

_PACE_S = 0.25
"""A market that can wait for the answer to a bar waits for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a process is started for."""

    program: Sequence[str]
    entry: str
    params: Mapping[str, object]
    name: str
    deadline_s: float
    """For the answer to the bars of one instant."""
    start_s: float
    """For being loaded, and for each other step of the start."""
    memory_bytes: int
    """0: as much as there is."""


class Listener(NamedTuple):
    """Where answers go."""

    deliver: Callable[[StrategyAnswered], Awaitable[None]]
    miss: Callable[[StrategySilent], None]
    is_disabled: Callable[[], bool]
    begun_anew: Callable[[datetime | None], None]
    """Told when it was shown its last bars again, and when the newest of them ended."""


class _Expected(NamedTuple):
    """An answer that has not come yet."""

    number: int
    do: str
    asked_at: float
    due: float
    ends_at: datetime | None


class _Over(Exception):
    """This life is over, for a reason in words."""


class _Fault(_Over):
    """The strategy cannot be used, as the child says."""


class _Late(_Over):
    """Bars were not answered in time."""


class StrategyProcess:
    """The Strategies port, and the lives of the process behind it."""

    def __init__(self, work: Work, rules: Rules, log: Log) -> None:
        self._work = work
        self._rules = rules
        self._log = log
        self._child: ChildProcess | None = None
        self._expected: deque[_Expected] = deque()
        self._numbers = 0
        self._is_warm = False
        self._is_idle = asyncio.Event()
        self._warmup_bars = 0
        self._hearing: Hearing
        self._recent: deque[BarTime] = deque(maxlen=0)
        self._drivers: tuple[str, ...] = ()
        self._fed: BarTime | None = None
        self._state = "starting"
        self._restarts = 0

    # the port

    @property
    def name(self) -> str:
        """The source of its signals."""
        return self._work.name

    @property
    def warmup_bars(self) -> int:
        """Bars of a symbol that have to be seen before its signals count; known when it is loaded."""
        return self._warmup_bars

    def warm_up(self, bar_times: Iterable[BarTime]) -> None:
        """Show past bars; what it says to them is thrown away."""
        for bar_time in bar_times:
            self._hearing.shown(bar_time)
            self._recent.append(bar_time)
            self._show(bar_time)

    def on_bars(self, bar_time: BarTime) -> list[Given]:
        """Show the bars of one instant. Nothing is said at once."""
        if bar_time is not self._fed:  # or it was shown in a step that has to be decided again
            self._fed = bar_time
            self._hearing.shown(bar_time)
            self._recent.append(bar_time)
            self._show(bar_time)
        return []

    def heard(self, answered: StrategyAnswered, now: datetime) -> list[Given]:
        """What it has said to the bars of an instant; by now that may be too old."""
        return self._hearing.hear(answered.said, now)

    # its first life

    async def spawn(self) -> None:
        """Start the process, which begins to load the strategy. Raises ConfigurationError."""
        try:
            await self._spawn()
        except _Over as over:
            raise ConfigurationError(f"strategy {self.name}: {over}") from over

    async def load(self) -> None:
        """Wait until the strategy is loaded. Raises ConfigurationError."""
        self._warmup_bars = await self._first_answer("warmup_bars")
        self._hearing = Hearing(self.name, self._rules, self._warmup_bars)
        self._recent = deque(maxlen=self._warmup_bars)

    async def begin(self, drivers: Collection[str]) -> None:
        """Tell the strategy, if it asks, which symbols may be signalled. Raises ConfigurationError."""
        self._drivers = tuple(drivers)
        self._ask("start", {"symbols": self._drivers}, self._work.start_s)
        await self._first_answer("started")

    async def ready(self) -> None:
        """Wait, not for long, until it has seen its warm-up; no exit waits for one that has not."""
        self._ask("be warm", {}, self._work.start_s)
        try:
            async with asyncio.timeout(self._work.deadline_s):
                await self._next_answer()
        except TimeoutError:
            self._log.warning(f"STRATEGY {self.name} is not warmed up yet; exits do not wait for it")
        except _Over as over:
            await self._end(over)

    async def _first_answer(self, key: str) -> int:
        """What it answers before anything is traded. Raises ConfigurationError."""
        try:
            answer = (await self._next_answer())[1].get(key)
            if type(answer) is not int or not 0 <= answer <= MOST_WARMUP_BARS:
                raise _Over(f"nonsense: an answer without {key}")
        except _Over as over:
            why = await self._end(over)
            raise ConfigurationError(why if isinstance(over, _Fault) else f"strategy {self.name}: {why}") from over
        return answer

    # the lives after it

    async def keep(self, listener: Listener) -> None:
        """Hear what it says, for ever, and begin it anew when it has ended."""
        pause_s = _FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            await self._wait_until_allowed(listener)
            began_at = loop.time()
            try:
                if self._child is None:
                    await self._begin_anew()
                    listener.begun_anew(self._recent[-1].ends_at if self._recent else None)
                await self._live(listener)
            except* _Over as overs:
                await self._tell_end(listener, overs.exceptions[0])
            if loop.time() - began_at > _LONG_LIFE_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _begin_anew(self) -> None:
        self._restarts += 1
        await self._spawn()
        self._ask("start", {"symbols": self._drivers}, self._work.start_s)
        for bar_time in self._recent:
            self._show(bar_time)
        self._ask("be warm", {}, self._work.start_s)

    async def _live(self, listener: Listener) -> None:
        """Until it ends. Raises _Over, in a group."""
        child = self._child
        assert child is not None  # noqa: S101  (told to the type checker)
        async with asyncio.TaskGroup() as group:
            group.create_task(child.listen(self._say))
            while True:
                expected, answer = await self._next_answer()
                if expected.ends_at is not None:
                    await self._deliver(listener, answer, expected.ends_at)
                if not self._expected:
                    self._is_idle.set()

    async def _deliver(self, listener: Listener, answer: Frame, ends_at: datetime) -> None:
        try:
            said = read_said(answer.get("said"), ends_at)
        except Nonsense as error:
            raise _Over(f"nonsense: {error}") from error
        if said:
            await listener.deliver(StrategyAnswered(ends_at, said))

    async def _tell_end(self, listener: Listener, over: BaseException) -> None:
        waits = next((one for one in self._expected if one.ends_at is not None), None)
        why = await self._end(over)
        if waits is None or waits.ends_at is None:
            return
        if isinstance(over, _Late):
            waited_s = round(asyncio.get_running_loop().time() - waits.asked_at, 3)
            listener.miss(StrategySilent(waits.ends_at, why, waited_s, self._work.deadline_s))
        else:
            listener.miss(StrategySilent(waits.ends_at, why))

    async def _wait_until_allowed(self, listener: Listener) -> None:
        """A disabled strategy has no process, also where it was disabled in an earlier run."""
        while listener.is_disabled():
            self._state = "disabled"
            self._is_idle.set()
            self._expected.clear()
            await self.close()
            await asyncio.sleep(_LOOK_S)

    async def answered(self) -> None:
        """Wait, not for long, until it has answered to everything: for a market whose time can stand meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PACE_S):
                await self._is_idle.wait()

    def standing(self) -> dict[str, object]:
        """For `status`."""
        pid = self._child.pid if self._child is not None else None
        state = ("running" if self._is_warm else "warming up") if self._child is not None else self._state
        return {"name": self.name, "state": state, "pid": pid, "restarts": self._restarts}

    async def close(self) -> None:
        """End it."""
        child, self._child = self._child, None
        if child is not None:
            await child.end(self._say)

    # one life

    async def _spawn(self) -> None:
        try:
            self._child = await ChildProcess.spawn(self._work.program)
        except OSError as error:
            raise _Over(f"its process cannot be started: {error}") from error
        self._is_warm = False
        self._log.info(f"STRATEGY {self.name} runs in process {self._child.pid}")
        self._ask("load", self._load(), self._work.start_s)

    async def _end(self, over: BaseException) -> str:
        """Whatever it still does; give in words why it is over."""
        child, self._child = self._child, None
        self._is_warm = False
        self._expected.clear()
        self._is_idle.set()
        how = await child.end(self._say) if child is not None else ""
        self._state = why = str(over) or f"its process ended with {how}"
        self._log.warning(f"STRATEGY {self.name} ENDED: {why}; exits go on")
        return why

    def _load(self) -> Frame:
        work = self._work
        return {
            "entry": work.entry,
            "params": dict(work.params),
            "name": work.name,
            "at_most": self._rules.signals_per_bar + 1,
            "memory_bytes": work.memory_bytes,
        }

    def _say(self, words: str) -> None:
        self._log.info(f"STRATEGY {self.name} prints: {words}")

    def _show(self, bar_time: BarTime) -> None:
        if self._is_warm:
            self._ask("bars", {"bars": plain_bars(bar_time.bars)}, self._work.deadline_s, bar_time.ends_at)
        elif self._child is not None:
            self._child.ask(line_of({"do": "warm up", "bars": plain_bars(bar_time.bars)}))

    def _ask(self, do: str, what: Frame, limit_s: float, ends_at: datetime | None = None) -> None:
        child = self._child
        if child is None:
            return
        self._numbers += 1
        now = asyncio.get_running_loop().time()
        expected = _Expected(self._numbers, do, now, now + limit_s, ends_at)
        if not self._expected:
            child.expect_by(expected.due)
        self._expected.append(expected)
        if ends_at is not None:
            self._is_idle.clear()
        child.ask(line_of({"n": self._numbers, "do": do, **what}))

    async def _next_answer(self) -> tuple[_Expected, Frame]:
        """The answer to what was asked first. Raises _Over."""
        child = self._child
        assert child is not None  # noqa: S101  (told to the type checker)
        try:
            line = await child.answer(self._expected[0].due if self._expected else None)
            frame = read_line(line)
        except TimeoutError as error:
            raise self._late() from error
        except Nonsense as error:
            raise _Over(f"nonsense: {error}") from error
        except Ended as error:
            raise _Over from error
        if not self._expected or frame.get("n") != self._expected[0].number:
            raise _Over("nonsense: an answer that nobody asked for")
        expected = self._expected.popleft()
        if "fault" in frame:
            raise _Fault(str(frame["fault"])[:_LONGEST_FAULT])
        self._is_warm = self._is_warm or expected.do == "be warm"
        return expected, frame

    def _late(self) -> _Over:
        first = self._expected[0]
        if first.ends_at is not None:
            return _Late(f"no answer within {self._work.deadline_s:g} s")
        return _Over(f"no answer to {first.do!r} within {self._work.start_s:g} s")
