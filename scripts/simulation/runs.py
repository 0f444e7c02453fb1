"""One run: what makes it again, and what it came to. It leaves nothing behind, unless something was violated."""

import os
import shutil
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from simulation.configuration import Broker
from simulation.neighbours import Neighbours
from simulation.world import Outcome, Violation, World


class Run(NamedTuple):
    """What makes a run: with the commit, these words and no others."""

    base: str
    """The seed of all runs that were asked for together."""
    number: int
    days: int
    """Trading days in all. The last one is healed, but for a run that has no other."""
    limit: int | None = None
    """So many faults strike, and none after them; None: all do."""
    broker: Broker = Broker.PAPER

    @property
    def seed(self) -> str:
        """Of everything that is up to chance in it: `BASE:NUMBER`."""
        return f"{self.base}:{self.number}"

    @property
    def command(self) -> str:
        """What to type to see it again."""
        broker = f" --broker {self.broker}" if self.broker is not Broker.PAPER else ""
        limit = f" --limit {self.limit}" if self.limit is not None else ""
        return f"scripts/simulate{broker} --seed {self.base} --days-per-run {self.days} --run {self.number}{limit}"


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that is over."""

    run: Run
    outcome: Outcome
    folder: Path | None = None
    """The daemon's files, of every life one folder; kept where something was violated."""

    @property
    def violation(self) -> Violation | None:
        """What must not be, if it was."""
        return self.outcome.violation

    @property
    def days(self) -> int:
        """That count: of a run that was violated none."""
        return self.outcome.days if self.violation is None else 0


def carry_out(run: Run, scratch: Path, keep: Path) -> Ran:
    """Do it here, in a folder of its own under `scratch`. Files of a violated run are put into one under `keep`.

    The process should do nothing else before or after: it works in the run's own folder and without the environment's
    settings, so that a developer's own ones change nothing.
    """
    for name in [name for name in os.environ if name.startswith("TRADER_")]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(dir=scratch))
    os.chdir(folder)
    try:
        outcome = _live(run, folder)
        return Ran(run, outcome, _kept(run, folder, keep) if outcome.violation is not None else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _live(run: Run, folder: Path) -> Outcome:
    healed_days = 1 if run.days > 1 else 0
    try:
        days = run.days - healed_days
        if run.broker is Broker.SHARED:
            return Neighbours(run.seed, days, folder, run.limit, healed_days=healed_days).run()
        return World(run.seed, days, folder, run.limit, healed_days=healed_days, broker=run.broker).run()
    except Exception as error:  # noqa: BLE001  (whatever it is, the other runs go on, and this one is told of)
        return failed(run, f"the simulation itself: {error!r}", traceback.format_exc())


def failed(run: Run, fault: str, told: str = "") -> Outcome:
    """Of a run that came to no outcome of its own."""
    violation = Violation(0, fault, life=0, at=None, strikes=0)
    return Outcome(run.seed, run.days, violation=violation, traceback=told)


def _kept(run: Run, folder: Path, keep: Path) -> Path:
    limit = f"-limit-{run.limit}" if run.limit is not None else ""
    kept = keep / f"{run.seed.replace(':', '-')}-days-{run.days}{limit}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, kept)
    return kept
