"""One measured run of NautilusTrader's BacktestEngine on the same bars: prints one JSON object.

Every symbol is traded by the rule of `ema_cross.py`: when the fast EMA of the closes crosses above the slow one, buy
ten shares at market if flat; when it crosses below, sell them. Positions are kept overnight: nothing here closes them.

    start_s, start_mb   from the start of the process until the engine stands with its venue, instruments and
                        strategies, before any data
    load_s              reading the CSV files, building the Bar objects, adding them in order
    run_s, cpu_s        `engine.run()` alone; elapsed, and processor time
    peak_mb             the most resident memory the process ever had

The set-up is meant to be fair: its own compiled EMA, one strategy for each instrument (faster than one for all), bars
sorted once, logging bypassed, no performance analysis. Risk checks, matching, cache and portfolio stay as they are by
default. `--best` is the fastest tuning that was found: hedging instead of netting, a margin account, EMAs by hand.

Runs in an environment of its own, which `nautilus_environment` makes.
"""

import argparse
import json
import sys
import time
from operator import attrgetter
from pathlib import Path

import nautilus_trader
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, OrderStatus
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy
from process_figures import peak_resident_mb, resident_mb, seconds_since_start

FAST, SLOW = 20, 100

_VENUE = Venue("XSIM")
_STARTING_CASH_USD = 10_000_000
_SHARES = 10
_MINUTE_NS = 60_000_000_000


class CrossConfig(StrategyConfig, kw_only=True, frozen=True):
    """What one strategy trades."""

    instrument_id: InstrumentId
    bar_type: BarType


class _Cross(Strategy):
    """Long or flat in one instrument, by the crossings that a subclass finds."""

    def __init__(self, config: CrossConfig) -> None:
        super().__init__(config)
        self._instrument_id = config.instrument_id
        self._quantity = Quantity.from_int(_SHARES)
        self._above: bool | None = None  # None until the slow average has seen enough bars

    def _cross(self, above: bool) -> None:
        """Trade, as the averages have changed places."""
        crossed, self._above = self._above is not None, above
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


class EmaCross(_Cross):
    """With the library's own compiled averages."""

    def on_start(self) -> None:
        """Have the engine feed the averages, then the strategy."""
        self._fast = ExponentialMovingAverage(FAST)
        self._slow = ExponentialMovingAverage(SLOW)
        self.register_indicator_for_bars(self.config.bar_type, self._fast)
        self.register_indicator_for_bars(self.config.bar_type, self._slow)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar) -> None:
        """Trade if this bar made the averages cross."""
        above = self._fast.value > self._slow.value
        if above is not self._above and self._slow.initialized:
            self._cross(above)


class EmaCrossByHand(_Cross):
    """With averages kept in the strategy: fewer calls for each bar."""

    def on_start(self) -> None:
        """Ask for the bars."""
        self._fast = self._slow = 0.0
        self._bars = 0
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar) -> None:
        """Move the averages; trade if they crossed."""
        close = bar.close.as_double()
        self._bars += 1
        if self._bars == 1:
            self._fast = self._slow = close
        self._fast += 2 / (FAST + 1) * (close - self._fast)
        self._slow += 2 / (SLOW + 1) * (close - self._slow)
        above = self._fast > self._slow
        if above is not self._above and self._bars >= SLOW:
            self._cross(above)

    def _submit(self, side: OrderSide) -> None:
        """When positions are hedged, a sale has to name the one that it closes."""
        order = self.order_factory.market(self._instrument_id, side, self._quantity)
        held = self.cache.positions_open(instrument_id=self._instrument_id) if side is OrderSide.SELL else ()
        self.submit_order(order, position_id=held[0].id if held else None)


def _make_equity(symbol: str) -> Equity:
    return Equity(
        instrument_id=InstrumentId(Symbol(symbol), _VENUE),
        raw_symbol=Symbol(symbol),
        currency=USD,
        price_precision=2,
        price_increment=Price.from_str("0.01"),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
    )


def _bar_type(instrument: Equity) -> BarType:
    return BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")


def _make_engine(instruments: list[Equity], *, best: bool) -> BacktestEngine:
    """An engine with a venue, the instruments and a strategy for each, but no data."""
    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False),
    )
    engine.add_venue(
        venue=_VENUE,
        oms_type=OmsType.HEDGING if best else OmsType.NETTING,
        account_type=AccountType.MARGIN if best else AccountType.CASH,
        base_currency=USD,
        starting_balances=[Money(_STARTING_CASH_USD, USD)],
    )
    make_strategy = EmaCrossByHand if best else EmaCross
    for instrument in instruments:
        engine.add_instrument(instrument)
        symbol = str(instrument.raw_symbol)
        config = CrossConfig(
            strategy_id=f"EmaCross-{symbol}",
            order_id_tag=symbol,
            instrument_id=instrument.id,
            bar_type=_bar_type(instrument),
        )
        engine.add_strategy(make_strategy(config))
    return engine


def _load_bars(path: Path, instrument: Equity) -> list[Bar]:
    """Read one file; the bars are stamped with their start and delivered at their end."""
    frame = pd.read_csv(path, index_col="timestamp", parse_dates=["timestamp"])
    wrangler = BarDataWrangler(_bar_type(instrument), instrument)
    bars: list[Bar] = wrangler.process(frame.astype("float64"), ts_init_delta=_MINUTE_NS)
    return bars


def _count_fills(engine: BacktestEngine) -> int:
    """How many orders were filled, each whole. Raises RuntimeError for one that was not."""
    orders = engine.cache.orders()
    unfilled = [order for order in orders if order.status != OrderStatus.FILLED]
    if unfilled:
        raise RuntimeError(f"{len(unfilled)} orders not filled, the first: {unfilled[0]}")
    return len(orders)


def _measure(folder: Path, *, best: bool) -> dict[str, float | str]:
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        raise SystemExit(f"no CSV files in {folder}")
    instruments = [_make_equity(path.stem) for path in paths]
    engine = _make_engine(instruments, best=best)
    start_s, start_mb = seconds_since_start(), resident_mb()

    began = time.perf_counter()
    bars: list[Bar] = []
    for path, instrument in zip(paths, instruments, strict=True):
        bars.extend(_load_bars(path, instrument))
    bars.sort(key=attrgetter("ts_init"))
    engine.add_data(bars, sort=False)
    load_s = time.perf_counter() - began

    began, cpu_began = time.perf_counter(), time.process_time()
    engine.run()
    run_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    peak_mb = peak_resident_mb()
    if engine.iteration != len(bars):
        raise RuntimeError(f"the engine took {engine.iteration} of {len(bars)} bars")
    fills = _count_fills(engine)
    engine.dispose()
    return {
        "version": nautilus_trader.__version__,
        "bars": len(bars),
        "symbols": len(paths),
        "fills": fills,
        "start_s": start_s,
        "start_mb": start_mb,
        "load_s": load_s,
        "run_s": run_s,
        "cpu_s": cpu_s,
        "peak_mb": peak_mb,
    }


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description="Measure one run of NautilusTrader's BacktestEngine.")
    parser.add_argument("folder", type=Path, help="holds SYMBOL.csv files")
    parser.add_argument("--best", action="store_true", help="the fastest tuning that was found")
    args = parser.parse_args()
    json.dump(_measure(args.folder, best=args.best), sys.stdout)


if __name__ == "__main__":
    main()
