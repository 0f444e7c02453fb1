"""A day that an engine in this process has lived, its inputs recorded as a daemon records them, and played again."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import typer
from builders import CONFIGURATION, MONDAY, Market, session_of

from trader.adapters.sqlite.inputs import Begun
from trader.adapters.sqlite.recorder import SqliteRecorder
from trader.app.cli.comparing import compare_live_day
from trader.app.settings import load_settings
from trader.domain.errors import TraderError
from trader.domain.events import JournalType, JsonValue
from trader.services.recovery import recover


class LivedDay(Market):
    """Driven by hand, as every machine of the tests; its strategy says nothing, signals are handed in."""

    recorder: SqliteRecorder

    async def begin(self, *, older: bool = False) -> None:
        """A run of the daemon: it says that it starts, recovers, and sees what was before. An older version did not say
        what was recorded before it.
        """
        await self.start(recovering=False)
        self.recorder = SqliteRecorder(self.book.writer)
        self.engine._ports = replace(self.engine._ports, recorder=self.recorder)
        said: dict[str, JsonValue] = (
            {} if older else {"epoch": self.book.stamp.epoch, "recorded": await self.book.store.recorded()}
        )
        await self.engine.mark(JournalType.RUN_STARTED, kind="replay", build="", **said)
        await recover(self.engine, self.broker, self.log)
        self.engine.trading.market_data.expect(self.prices)
        self.recorder.begun(Begun(tuple(self.prices), ()), self.now)
        self.engine.trading.warm_up([], self.now)
        await self.settle()

    async def end(self) -> None:
        """In order."""
        await self.engine.mark(JournalType.RUN_STOPPED, reason="its end", failed=False, inputs=self.recorder.taken)
        await self.recorder.flush()
        await self.stop()

    async def buy(self, symbol: str) -> None:
        """A signal from outside, and the bar that fills it."""
        await self.submit(symbol, 0.95)
        await self.bar()

    def recorded(self, kind: str) -> int:
        """How many rows there are of a kind of input."""
        return int(self.one("SELECT count(*) FROM book_inputs WHERE kind = ?", kind))

    async def compared(self, capsys: pytest.CaptureFixture[str], day: date = MONDAY) -> dict[str, object]:
        """What the command says of a day, by its JSON; or why it cannot."""
        settings = load_settings(CONFIGURATION, **{**self._settings, "book": {"db": self.path}})
        capsys.readouterr()
        try:
            await asyncio.to_thread(compare_live_day, settings, day, as_json=True)
        except typer.Exit:
            pass
        except TraderError as error:
            return {"said": str(error)}
        told: dict[str, object] = json.loads(capsys.readouterr().out)
        return told


@asynccontextmanager
async def a_lived_day(folder: Path, *, older: bool = False, **settings: object) -> AsyncIterator[LivedDay]:
    """From the open of a day on, after one minute of bars. The test ends it."""
    day = LivedDay(folder / "trading_data.db", settings, session_of().opens_at, threaded=False)
    await day.begin(older=older)
    await day.bar()
    yield day
