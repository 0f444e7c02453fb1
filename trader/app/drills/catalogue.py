"""Every drill, and playing some of them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from trader.app.drills import accounts, chain, duplicates, knight, lost_exits, runaway
from trader.app.drills.drill import Drill, Ended
from trader.app.drills.rehearsal import Progress
from trader.app.drills.scratch import scratch_copy
from trader.app.settings import Settings
from trader.domain.errors import ConfigurationError
from trader.domain.spelling import did_you_mean

DRILLS: tuple[Drill, ...] = (
    *chain.DRILLS,
    *duplicates.DRILLS,
    *accounts.DRILLS,
    *lost_exits.DRILLS,
    *knight.DRILLS,
    *runaway.DRILLS,
)
ALL = "all"


def chosen(name: str) -> Sequence[Drill]:
    """The drills of a name, of the beginning of some (`knight`), or all. Raises ConfigurationError for another one."""
    if name == ALL:
        return DRILLS
    found = [drill for drill in DRILLS if drill.name == name or drill.name.startswith(f"{name}-")]
    if not found:
        names = [drill.name for drill in DRILLS]
        raise ConfigurationError(
            f"there is no drill {name!r}{did_you_mean(name, names)} (there are: {ALL}, {', '.join(names)})"
        )
    return found


def play(drill: Drill, settings: Settings, tick: Progress) -> Ended:
    """Play one against a scratch copy of a configuration, in a folder of its own that is gone after it."""
    with TemporaryDirectory(prefix="trader-drill-") as folder:
        return asyncio.run(drill.play(scratch_copy(settings, Path(folder)), tick))
