"""The daemon's settings in a run."""

from collections.abc import Sequence
from datetime import date, time
from enum import StrEnum
from pathlib import Path
from random import Random

from trader.app.paths import with_absolute_paths
from trader.app.settings import Settings, load_settings
from trader.domain.rules import Protection

SPEED = 120.0
"""Of the embedded market: its seconds to one of the loop."""
SIM = "sim"
"""The account where there is one."""
ACCOUNT = "DU1000001"
PORT = 4002
FAMILY = {"QQQ": 1, "TQQQ": 3, "PSQ": -1, "SQQQ": -3}
STOCKS = ("AAPL", "MSFT", "NVDA")
CLOSE = time(10, 30)
"""New York time. A gateway's day has one hour: all that a day has, from its open to its proof of flat."""

_CONFIG = Path(__file__).with_name("simulation.toml")
_BINDING = {
    "order_notional": 30_000,
    "gross_pct": 25.0,
    "family_pct": 6.0,
    "cash_reserve_pct": 75.0,
    "open_positions": 2,
    "openings_per_day": 25,
    "daily_notional_pct": 150.0,
    "day_loss_pct": 0.15,
    "orders_per_minute": 2,
}
"""Limits at which trading stops on most days."""
_BOUND = 0.1
"""The share of the runs in which each of them is set."""


class Broker(StrEnum):
    """Where the orders of a run go."""

    PAPER = "paper"
    """The paper broker, on the embedded market."""
    GATEWAY = "gateway"
    """Interactive Brokers by the gateway of the tests."""
    SHARED = "shared"
    """A paper broker for each of several accounts, which share a book."""


def make_settings(
    folder: Path, random: Random, protection: Protection, days: Sequence[date] = (), account: str = SIM
) -> Settings:
    """The simulation's configuration; its rules differ from run to run. `days` are those of a gateway, or none."""
    folder.mkdir(parents=True)
    settings = load_settings(
        _CONFIG,
        account={"name": account},
        strategy={
            "entry": "simulation.strategies:Moody",
            "params": {"seed": random.randrange(1_000_000), "minutes": random.choice((2, 5, 20))},
        },
        feed={"speed": SPEED, "inbox": "set below"} | ({"kind": "ibkr", "symbols": list(STOCKS)} if days else {}),
        limits={name: limit for name, limit in _BINDING.items() if random.random() < _BOUND},
        exits={
            "stop_pct": random.choice((0.2, 0.5, 1.4)),
            "take_profit_pct": random.choice((0.2, 0.5, 2.1)),
            "trailing_pct": random.choice((0.0, 0.15, 0.5)),
            "time_stop_min": random.choice((0, 7, 45)),
            "scan_patience_s": 120,
            "protection": protection,
        },
        **(_at_the_gateway(folder, days) if days else {}),
    )
    return moved(settings, folder)


def _at_the_gateway(folder: Path, days: Sequence[date]) -> dict[str, object]:
    """What differs from the embedded market's days; the families are written into the folder."""
    families = folder / "families.toml"
    families.write_text(f"[{next(iter(FAMILY))}]\n" + "".join(f"{name} = {times}\n" for name, times in FAMILY.items()))
    return {
        "mode": "paper",
        "broker": {"kind": "ibkr"},
        "ibkr": {"port": PORT, "account": ACCOUNT},
        "families": {"file": str(families)},
        "session": {"overrides": dict.fromkeys(days, CLOSE)},
    }


def moved(settings: Settings, folder: Path) -> Settings:
    """The same settings, on other files."""
    return with_absolute_paths(
        settings.model_copy(
            update={
                "book": settings.book.model_copy(
                    update={"db": folder / "trading_data.db", "backups": folder / "backups"}
                ),
                "log": settings.log.model_copy(update={"file": folder / "robo_trader.log"}),
                "feed": settings.feed.model_copy(update={"inbox": str(folder / "inbox.jsonl")}),
            }
        )
    )
