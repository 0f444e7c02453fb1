"""Time NautilusTrader's BacktestEngine on a directory of one-minute bar CSV files.

The directory holds one ``SYMBOL.csv`` per equity, as ``generate_bars.py`` writes them. Every
symbol is traded by the same rule: when the fast EMA of the closes crosses above the slow one, buy
10 shares at market if flat; when it crosses below, sell them.

    python nautilus_replay.py bars

prints one JSON object. Its main members:

``bars_per_second``       ``bars`` over ``seconds_run``
``seconds_run``           ``engine.run()`` alone
``seconds_load``          reading the CSV files, building the Bar objects, adding them in order
``seconds_import``        from the start of the process until the engine stands with its venue,
                          instruments and strategies, before any data (10 ms resolution)
``rss_kb_after_import``   resident memory at that moment
``max_rss_kb``            the largest resident memory of the process, taken after the run

The set-up is meant to be fair to NautilusTrader: its own compiled EMA, one strategy per
instrument, which measures faster than one strategy for all, bars sorted once, logging bypassed
and no performance analysis after the run. What a back-test relies on stays as the library
has it by default: risk checks, the matching of orders on bars, cache and portfolio. Market orders
fill at the close of the bar that triggered them; there are no fees.

Needs Linux (it reads /proc/self) and ``nautilus_trader``; written for 1.221.0.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from operator import attrgetter
from pathlib import Path
from typing import Any

import nautilus_trader
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, OrderStatus
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("XSIM")
STARTING_CASH_USD = 10_000_000
SHARES = 10
MINUTE_NS = 60_000_000_000


class EmaCrossConfig(StrategyConfig, kw_only=True, frozen=True):
    """What one :class:`EmaCross` trades, and its two EMA periods, in bars."""

    instrument_id: InstrumentId
    bar_type: BarType
    fast: int
    slow: int


class EmaCross(Strategy):
    """Long or flat in one instrument, by the crossing of two EMAs of its closes."""

    def __init__(self, config: EmaCrossConfig) -> None:
        super().__init__(config)
        self._instrument_id = config.instrument_id
        self._quantity = Quantity.from_int(SHARES)
        self._fast = ExponentialMovingAverage(config.fast)
        self._slow = ExponentialMovingAverage(config.slow)
        self._above: bool | None = None  # None until the slow EMA has seen enough bars

    def on_start(self) -> None:
        """Have the engine feed the EMAs, then the strategy, with the instrument's bars."""
        bar_type = self.config.bar_type
        self.register_indicator_for_bars(bar_type, self._fast)
        self.register_indicator_for_bars(bar_type, self._slow)
        self.subscribe_bars(bar_type)

    def on_bar(self, bar: Bar) -> None:
        """Trade if this bar made the EMAs cross."""
        above = self._fast.value > self._slow.value
        if above is self._above or not self._slow.initialized:
            return
        crossed = self._above is not None
        self._above = above
        if not crossed:
            return
        if above:
            if self.portfolio.is_flat(self._instrument_id):
                self._submit(OrderSide.BUY)
        elif self.portfolio.is_net_long(self._instrument_id):
            self._submit(OrderSide.SELL)

    def _submit(self, side: OrderSide) -> None:
        """Send a market order for the fixed quantity."""
        self.submit_order(self.order_factory.market(self._instrument_id, side, self._quantity))


def make_equity(symbol: str) -> Equity:
    """Return an equity quoted in cents on the simulated venue."""
    return Equity(
        instrument_id=InstrumentId(Symbol(symbol), VENUE),
        raw_symbol=Symbol(symbol),
        currency=USD,
        price_precision=2,
        price_increment=Price.from_str("0.01"),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
    )


def bar_type_of(instrument: Equity) -> BarType:
    """Return the type of the instrument's one-minute bars."""
    return BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")


def build_engine(instruments: list[Equity], fast: int, slow: int) -> BacktestEngine:
    """Return an engine with a venue, the instruments and a strategy for each, but no data."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        base_currency=USD,
        starting_balances=[Money(STARTING_CASH_USD, USD)],
    )
    for instrument in instruments:
        engine.add_instrument(instrument)
        engine.add_strategy(
            EmaCross(
                EmaCrossConfig(
                    strategy_id=f"EmaCross-{instrument.raw_symbol}",
                    order_id_tag=str(instrument.raw_symbol),
                    instrument_id=instrument.id,
                    bar_type=bar_type_of(instrument),
                    fast=fast,
                    slow=slow,
                )
            )
        )
    return engine


def load_bars(path: Path, instrument: Equity) -> list[Bar]:
    """Read one CSV file; the bars are stamped with their start and delivered at their end."""
    frame = pd.read_csv(path, index_col="timestamp", parse_dates=["timestamp"])
    wrangler = BarDataWrangler(bar_type_of(instrument), instrument)
    return wrangler.process(frame.astype("float64"), ts_init_delta=MINUTE_NS)


def count_fills(engine: BacktestEngine) -> int:
    """Return how many fills the run gave; raise if an order was not filled whole."""
    orders = engine.cache.orders()
    unfilled = [order for order in orders if order.status != OrderStatus.FILLED]
    if unfilled:
        raise RuntimeError(f"{len(unfilled)} orders not filled, the first: {unfilled[0]}")
    return sum(isinstance(event, OrderFilled) for order in orders for event in order.events)


def seconds_since_process_start() -> float:
    """Return the age of this process, from the start time that the kernel keeps."""
    stat = Path("/proc/self/stat").read_text(encoding="ascii")
    start_ticks = int(stat.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")


def status_kb(field: str) -> int:
    """Return a memory figure of this process, such as ``VmRSS`` or ``VmHWM``, in kB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise RuntimeError(f"/proc/self/status has no {field}")


def replay(directory: Path, fast: int, slow: int) -> dict[str, Any]:
    """Run the whole measurement once and return its figures."""
    paths = sorted(directory.glob("*.csv"))
    if not paths:
        raise SystemExit(f"no CSV files in {directory}")
    instruments = [make_equity(path.stem) for path in paths]
    engine = build_engine(instruments, fast, slow)
    seconds_import = seconds_since_process_start()
    rss_kb_after_import = status_kb("VmRSS")

    started = time.perf_counter()
    bars: list[Bar] = []
    for path, instrument in zip(paths, instruments, strict=True):
        bars.extend(load_bars(path, instrument))
    bars.sort(key=attrgetter("ts_init"))
    engine.add_data(bars, sort=False)
    seconds_load = time.perf_counter() - started

    started = time.perf_counter()
    engine.run()
    seconds_run = time.perf_counter() - started

    max_rss_kb = status_kb("VmHWM")
    if engine.iteration != len(bars):
        raise RuntimeError(f"the engine took {engine.iteration} of {len(bars)} bars")
    fills = count_fills(engine)
    balance = engine.portfolio.account(VENUE).balance_total(USD).as_double()
    engine.dispose()

    return {
        "engine": f"nautilus_trader {nautilus_trader.__version__}",
        "python": platform.python_version(),
        "symbols": len(paths),
        "fast": fast,
        "slow": slow,
        "bars": len(bars),
        "fills": fills,
        "fills_per_symbol": round(fills / len(paths), 1),
        "final_cash_usd": round(balance, 2),
        "seconds_run": round(seconds_run, 3),
        "seconds_load": round(seconds_load, 3),
        "bars_per_second": round(len(bars) / seconds_run),
        "max_rss_kb": max_rss_kb,
        "rss_kb_after_import": rss_kb_after_import,
        "seconds_import": round(seconds_import, 2),
    }


def main(argv: list[str] | None = None) -> None:
    """Measure what the command line asks for and print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description="Time NautilusTrader's BacktestEngine on a directory of bar CSV files."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="holds SYMBOL.csv files")
    parser.add_argument("--fast", type=int, default=20, help="EMA period in bars (default: 20)")
    parser.add_argument("--slow", type=int, default=100, help="EMA period in bars (default: 100)")
    args = parser.parse_args(argv)
    if not 1 <= args.fast < args.slow:
        parser.error("--fast must be at least 1 and below --slow")
    print(json.dumps(replay(args.directory, args.fast, args.slow), indent=2))


if __name__ == "__main__":
    main()
