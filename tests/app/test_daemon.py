"""The daemon, put together but not yet running."""

from pathlib import Path

from builders import CONFIGURATION, MINUTE, a_bar

from trader.app.daemon import a_daemon
from trader.app.host import ThisMachine
from trader.app.settings import load_settings
from trader.domain.market import BarTime


async def test_the_daemon_expects_the_symbols_of_its_market(tmp_path: Path) -> None:
    settings = load_settings(CONFIGURATION, book={"db": tmp_path / "trading_data.db"})
    async with a_daemon(settings, ThisMachine()) as daemon:
        await daemon.recover()
        data, at = daemon.engine.trading.market_data, daemon._marketplace.clock.now()
        bars = (a_bar("GME", 20.0, start=at - MINUTE), a_bar("AAPL", 200.0, start=at - MINUTE))
        assert [bar.symbol for bar in data.take_in(BarTime(at, MINUTE, bars), at).bars] == ["AAPL"]
