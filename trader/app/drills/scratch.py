"""A scratch copy of a configuration: the same limits, families, exits and strategy, and nothing that it could touch.

Rule 1: the market is embedded and the broker is paper, whatever the configuration names.
Rule 2: book, backups, log and spill file lie in a folder that is made for the drill and removed after it.
Rule 3: nobody is alarmed, no inbox file is read, no dashboard is served.
"""

from pathlib import Path

from trader.app.sections import (
    AlarmsSection,
    BookSection,
    BrokerSection,
    DashboardSection,
    FeedSection,
    IbkrSection,
    LogSection,
)
from trader.app.settings import Settings


def scratch_copy(settings: Settings, folder: Path) -> Settings:
    """The settings of a drill in its folder."""
    feed = FeedSection(kind="simulated", symbols=settings.feed.symbols, seed=settings.feed.seed)
    return settings.model_copy(
        update={
            "mode": "simulated",
            "book": BookSection(db=folder / "drill.db", backups=folder / "backups"),
            "log": LogSection(file=folder / "drill.log"),
            "feed": feed,
            "broker": BrokerSection(),
            "ibkr": IbkrSection(),
            "dashboard": DashboardSection(),
            "alarms": AlarmsSection(types=settings.alarms.types),
        }
    )
