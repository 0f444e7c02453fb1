"""The daemon, put together but not yet running."""

from pathlib import Path

from builders import CONFIGURATION, MINUTE, NOON, a_bar

from trader.adapters.run_lock import RunLock, this_process
from trader.adapters.spill_file import SpillFile, spill_path
from trader.adapters.sqlite.database import ThreadWriter
from trader.app.daemon import Daemon, lock_path
from trader.app.settings import load_settings
from trader.app.wiring import make_parts, open_book
from trader.domain.market import BarTime


async def test_the_daemon_expects_the_symbols_of_its_market(tmp_path: Path) -> None:
    settings = load_settings(CONFIGURATION, book={"db": tmp_path / "trading_data.db"})
    db, holder = settings.book.db, this_process(NOON)
    book = await open_book(await ThreadWriter.open(db), db, settings, settings.mode, NOON)
    spill = SpillFile(spill_path(db, settings.account.name))
    lock = RunLock.take(lock_path(settings), holder)
    try:
        daemon = await Daemon.prepare(settings, make_parts(settings), book, holder, lock, spill)
        await daemon.recover()
        data, at = daemon._machine.engine.trading.market_data, daemon._feed.now()
        bars = (a_bar("GME", 20.0, start=at - MINUTE), a_bar("AAPL", 200.0, start=at - MINUTE))
        assert [bar.symbol for bar in data.take_in(BarTime(at, MINUTE, bars), at).bars] == ["AAPL"]
    finally:
        spill.close()
        await book.store.close()
        lock.release()
