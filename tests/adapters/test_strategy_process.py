"""A strategy in a real process of its own: whatever it does costs its own signals, and it is begun anew as it was."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime

import hostile_strategies
import pytest
from builders import MINUTE, NOON, Sentences, a_bar, bar_time

from trader.adapters import strategy_process
from trader.adapters.strategy_process import Listener, StrategyProcess, Work
from trader.app.compare_live.again import HeardLater
from trader.app.strategy_child import program
from trader.domain.decision import Rule
from trader.domain.errors import ConfigurationError
from trader.domain.events import StrategyAnswered, StrategySilent
from trader.domain.market import BarTime
from trader.domain.rules import Rules
from trader.services.ports import Given, Strategy
from trader.services.strategy_host import StrategyHost

_LONGEST_S = 30
_MB = 1_000_000


def minute(n: int, *symbols: str) -> BarTime:
    return bar_time(*(a_bar(symbol, start=NOON + n * MINUTE) for symbol in symbols or ("AAPL",)))


class Hosted:
    """A strategy's process and what an engine hears of it."""

    def __init__(self, name: str, **more: object) -> None:
        work = Work(
            program=program(),
            entry=f"hostile_strategies:{name}",
            params={},
            name=name,
            deadline_s=1.5,
            start_s=10,
            memory_bytes=500 * _MB,
        )
        self.log = Sentences()
        self.process = StrategyProcess(replace(work, **more), Rules(), self.log)  # type: ignore[arg-type]
        self.answers: list[StrategyAnswered] = []
        self.missed: list[StrategySilent] = []
        self.begun_anew: list[datetime | None] = []
        self.is_disabled = False

    @property
    def listener(self) -> Listener:
        return Listener(self._hear, self.missed.append, lambda: self.is_disabled, self.begun_anew.append)

    async def _hear(self, answer: StrategyAnswered) -> None:
        self.answers.append(answer)

    @property
    def pid(self) -> int:
        return int(str(self.process.standing()["pid"]))

    @property
    def runs(self) -> bool:
        return self.process.standing()["state"] == "running"

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(_LONGEST_S):
            while not condition():  # noqa: ASYNC110  (what is waited for happens in another process)
                await asyncio.sleep(0.005)

    async def given(self, bars: BarTime) -> list[Given]:
        """Show bars; wait for what is said to them."""
        count = len(self.answers)
        assert self.process.on_bars(bars) == []
        await self.until(lambda: len(self.answers) > count)
        return self.process.heard(self.answers[-1], bars.ends_at)

    async def is_missed(self, bars: BarTime) -> StrategySilent:
        """Show bars that it will not answer to; wait until that is told."""
        assert self.process.on_bars(bars) == []
        await self.until(lambda: self.missed)
        return self.missed[-1]


@asynccontextmanager
async def hosted(name: str, *, is_disabled: bool = False, **more: object) -> AsyncIterator[Hosted]:
    host = Hosted(name, **more)
    host.is_disabled = is_disabled
    try:
        await host.process.spawn()
        await host.process.load()
        await host.process.begin(("AAPL", "QQQ"))
        host.process.warm_up([minute(n) for n in range(-host.process.warmup_bars, 0)])
        await host.process.ready()
        async with asyncio.TaskGroup() as group:
            kept = group.create_task(host.process.keep(host.listener))
            yield host
            kept.cancel()
    finally:
        await host.process.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy_process, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(strategy_process, "_LOOK_S", 0.01)


def is_gone(pid: int) -> bool:
    try:
        state = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()[0]  # noqa: SIM115
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.parametrize("strategy", [hostile_strategies.Nonsensical, hostile_strategies.Raising])
async def test_it_says_the_same_in_a_process_as_inline(strategy: Callable[[], Strategy]) -> None:
    bars, name = minute(0), getattr(strategy, "__name__", "")
    inline = StrategyHost(strategy(), name, Rules())
    async with hosted(name) as host:
        said = await host.given(bars)
    assert [(str(one), no and (no.rule, no.detail)) for one, no in said] == [
        (str(one), no and (no.rule, no.detail)) for one, no in inline.on_bars(bars)
    ]


async def test_past_bars_and_symbols_are_shown_before_the_first() -> None:
    async with hosted("Counting") as host:
        [(said, refusal)] = await host.given(minute(0))
    assert (said.id, said.probability, said.timestamp) == ("58-59-0", 0.2, minute(0).ends_at)
    assert refusal is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Endless", "no answer within 1.5 s"),
        ("Stopped", "no answer within 1.5 s"),
        ("Orphaning", "no answer within 1.5 s"),
        ("Leaving", "its process ended with exit code 3"),
        ("Killed", "its process ended with signal SIGKILL"),
        ("Scribbling", "nonsense"),
        ("Unasked", "nonsense: an answer that nobody asked for"),
    ],
)
async def test_whatever_it_does_costs_its_own_answer_and_it_is_begun_anew(name: str, why: str) -> None:
    async with hosted(name) as host:
        assert len(await host.given(minute(0))) == 1
        first = host.pid
        silent = await host.is_missed(minute(1))
        assert silent.why.startswith(why)
        assert silent.ends_at == minute(1).ends_at
        assert (silent.waited_s is not None) == why.startswith("no answer")
        await host.until(lambda: host.runs)
        assert is_gone(first)
        assert len(await host.given(minute(2))) == 1


async def test_bars_that_queue_up_have_deadlines_of_their_own() -> None:
    async with hosted("Endless") as host:
        host.process.on_bars(minute(0))
        assert (await host.is_missed(minute(1))).ends_at == minute(1).ends_at
        assert len(host.answers) == 1


async def test_an_answer_that_came_too_late_for_its_bar_is_expired() -> None:
    async with hosted("Counting") as host:
        bars = minute(0)
        await host.given(bars)
        [(_, refusal)] = host.process.heard(host.answers[-1], bars.ends_at + 2 * MINUTE)
    assert refusal is not None
    assert refusal.rule is Rule.EXPIRED


async def test_begun_anew_it_has_seen_its_warm_up_again() -> None:
    async with hosted("Counting") as host:
        for n in range(5):
            await host.given(minute(n))
        os.kill(host.pid, signal.SIGKILL)
        await host.until(lambda: not host.runs)
        host.process.on_bars(minute(5))
        await host.until(lambda: host.runs)
        [(said, refusal)] = await host.given(minute(6))
    assert (said.id, said.probability, refusal) == ("4-5-6", 0.2, None)
    assert host.begun_anew in ([minute(4).ends_at], [minute(5).ends_at]), "it is told what was shown again"


async def test_played_again_a_strategy_is_begun_anew_where_the_live_one_was() -> None:
    """It has then seen its warm-up and nothing before; also where the step of its newest bar was not over yet."""
    shown = [minute(n) for n in range(9)]
    host = HeardLater(hostile_strategies.Remembering, "Remembering", Rules())
    host.start(("AAPL",))
    host.warm_up(shown[:3])
    said = []
    for bars in shown[3:]:
        host.on_bars(bars)
        [(signal, _)] = host.heard(StrategyAnswered(bars.ends_at, ()), bars.ends_at)
        said.append(signal.id)
        if bars is shown[4]:
            host.begin_anew(bars.ends_at)
        if bars is shown[6]:
            host.begin_anew(shown[7].ends_at)
    assert said == ["4 bars", "5 bars", "4 bars", "5 bars", "6 bars", "4 bars"]


@pytest.mark.parametrize("strategy", [hostile_strategies.Nonsensical, hostile_strategies.Raising])
async def test_played_again_it_says_the_same_as_in_its_process_however_late(strategy: Callable[[], Strategy]) -> None:
    bars, name = minute(0), getattr(strategy, "__name__", "")
    later = bars.ends_at + 2 * MINUTE
    again = HeardLater(strategy, name, Rules())
    again.on_bars(bars)
    async with hosted(name) as host:
        host.process.on_bars(bars)
        await host.until(lambda: host.answers)
        said = host.process.heard(host.answers[-1], later)
    assert str(again.heard(StrategyAnswered(bars.ends_at, ()), later)) == str(said)


async def test_more_memory_than_it_may_have_is_its_own_error() -> None:
    async with hosted("Hungry", memory_bytes=300 * _MB, deadline_s=30) as host:
        await host.given(minute(0))
        first = host.pid
        [(_, refusal)] = await host.given(minute(1))
        assert refusal is not None
        assert (refusal.rule, refusal.detail) == (Rule.STRATEGY_RAISED, "MemoryError: ''")
        assert len(await host.given(minute(2))) == 1
        assert host.pid == first


async def test_ten_thousand_signals_are_heard_up_to_the_limit() -> None:
    async with hosted("Flooding") as host:
        said = await host.given(minute(0, "AAPL", "MSFT"))
    rules = [refusal.rule if refusal is not None else None for _, refusal in said]
    assert rules == [None] * 200 + [Rule.TOO_MANY] * 202


async def test_what_it_prints_goes_into_the_log_and_what_it_reads_is_nothing() -> None:
    async with hosted("Chatting") as host:
        [(said, _)] = await host.given(minute(0))
        await host.until(lambda: "word 99" in str(host.log.lines))
    assert said.probability == 0.5
    assert len(host.log.lines) < 40
    assert "\x1b" not in str(host.log.lines)


async def test_last_words_are_logged() -> None:
    async with hosted("Leaving") as host:
        await host.given(minute(0))
        await host.is_missed(minute(1))
    assert "these are my last words" in str(host.log.lines)


async def test_what_it_has_started_ends_with_it() -> None:
    async with hosted("Parental") as host:
        await host.given(minute(0))
        await host.is_missed(minute(1))
        [words] = [words for words in host.log.lines if "started" in words]
        started = int(words.split("started ")[1])
        await host.until(lambda: is_gone(started))


async def test_a_disabled_strategy_is_begun_anew_only_when_it_is_allowed_again() -> None:
    async with hosted("Endless") as host:
        await host.given(minute(0))
        host.is_disabled = True
        await host.is_missed(minute(1))
        await host.until(lambda: host.process.standing()["state"] == "disabled")
        host.process.on_bars(minute(2))
        assert host.process.standing()["pid"] is None
        host.is_disabled = False
        await host.until(lambda: host.runs)


async def test_what_an_earlier_run_has_disabled_does_not_run() -> None:
    async with hosted("Counting", is_disabled=True) as host:
        await host.until(lambda: host.process.standing()["state"] == "disabled")
        host.process.on_bars(minute(0))
        host.is_disabled = False
        await host.until(lambda: host.runs)
        assert [said.id for said, _ in await host.given(minute(1))] == ["59-0-1"]


async def test_a_strategy_that_cannot_be_loaded_in_time_is_a_wrong_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"strategy Hanging: no answer to 'load' within 0\.3 s"):
        async with hosted("Hanging", start_s=0.3):
            pass


async def test_a_strategy_that_is_not_there_is_a_wrong_configuration() -> None:
    with pytest.raises(ConfigurationError, match="hostile_strategies has no class Nobody"):
        async with hosted("Nobody"):
            pass


_PARENT = """
import asyncio, sys
sys.path[:0] = {path!r}
import test_strategy_process as here
async def main():
    async with here.hosted("Endless", deadline_s=60) as host:
        await host.given(here.minute(0))
        host.process.on_bars(here.minute(1))
        print(host.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def test_it_ends_with_the_daemon_however_that_ends_and_whatever_it_is_doing() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT.format(path=sys.path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not is_gone(child)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + _LONGEST_S
    try:
        while not is_gone(child):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
