"""A host's clock that somebody sets, beside IB's: entries stop at once; the whole way from socket to `status`."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from proof.clock import LoopClock
from proof.in_process import TaskDaemon
from proof.rig import Rig, a_rig
from proof.stages import AFTERNOON, SYMBOL
from proof.virtual_time import in_virtual_time
from trader.app.connection_state import read_state
from trader.domain.decision import Rule

_READY_S = 90.0
_TOLD_S = 1.0


async def _signalled(rig: Rig) -> object:
    """The rule that refuses an entry, or None."""
    answer = await rig.signal(SYMBOL, 0.8)
    assert answer is not None
    return answer["rule"]


async def _a_clock_that_is_set(folder: Path) -> None:
    daemon = TaskDaemon()
    async with a_rig(folder, AFTERNOON, daemon, {}) as rig:
        hosts = LoopClock(AFTERNOON)
        daemon.by(hosts)
        await rig.start()
        await rig.passes(_READY_S)
        hosts.origin += timedelta(seconds=30)
        await rig.passes(_TOLD_S)
        assert await _signalled(rig) == Rule.CLOCK_DIFFERS
        status = await rig.status()
        assert status is not None
        assert str(status["barred"]).startswith(f"{Rule.CLOCK_DIFFERS}: the broker's clock is ")
        connection = read_state(status["connection"])
        assert connection is not None
        assert -31 < (connection.skew_s or 0) < -29
        hosts.origin -= timedelta(seconds=30)
        await rig.passes(_TOLD_S)
        assert await _signalled(rig) is None


def test_a_clock_that_is_set_stops_entries_until_it_is_right_again(tmp_path: Path) -> None:
    in_virtual_time(partial(_a_clock_that_is_set, tmp_path))
