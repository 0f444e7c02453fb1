"""The daemon, put together but not yet running."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from builders import CONFIGURATION, MINUTE, Sentences, a_bar

from trader.adapters.clock import SteppedClock
from trader.app.daemon import a_daemon
from trader.app.host import ThisMachine
from trader.app.settings import load_settings
from trader.domain.breaker import Breaker
from trader.domain.market import BarTime
from trader.services.ports import Clock, Log


async def test_the_daemon_expects_the_symbols_of_its_market(tmp_path: Path) -> None:
    settings = load_settings(CONFIGURATION, book={"db": tmp_path / "trading_data.db"})
    async with a_daemon(settings, ThisMachine()) as daemon:
        await daemon.recover()
        data, at = daemon.engine.trading.market_data, daemon._marketplace.clock.now()
        bars = (a_bar("GME", 20.0, start=at - MINUTE), a_bar("AAPL", 200.0, start=at - MINUTE))
        assert [bar.symbol for bar in data.take_in(BarTime(at, MINUTE, bars), at).bars] == ["AAPL"]


class Laptop(ThisMachine):
    """This machine, that is suspended when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = SteppedClock(datetime(2025, 6, 23, 15, tzinfo=UTC))
        self.slept_s = 0.0
        self.heard = Sentences()

    @property
    def clock(self) -> Clock:
        return self.wall

    def suspended_s(self) -> float:
        return self.slept_s

    def log(self, clock: Clock) -> Log:
        del clock
        return self.heard


async def test_a_suspension_is_said_and_is_no_clock_that_was_set(tmp_path: Path) -> None:
    laptop = Laptop()
    settings = load_settings(CONFIGURATION, book={"db": tmp_path / "trading_data.db"})
    async with a_daemon(settings, laptop) as daemon:
        await daemon.recover()
        daemon._look_at_the_clocks(1000.0, 0.0)
        laptop.slept_s += 900
        laptop.wall.set(laptop.wall.now() + timedelta(seconds=901))
        daemon._look_at_the_clocks(1001.0, 0.0)
        assert len(laptop.heard.said("HOST SUSPENDED for 900 s")) == 1
        jumps = [one.measured for one in await daemon._host_watch.measured() if one.breaker is Breaker.CLOCK_JUMP]
        assert jumps == [0]
