"""What a book begins with is what the broker says, once."""

from pathlib import Path

import pytest
from gateway.faults import Alter, Refuse

from proof.book_file import read_book
from proof.in_process import TaskDaemon
from proof.rig import a_rig
from proof.stages import AFTERNOON
from proof.virtual_time import in_virtual_time

_FOR_EVER = 1_000_000


def test_a_book_that_holds_a_position_starts_where_its_cash_is_not_told_and_sells_at_its_stop(tmp_path: Path) -> None:
    async def restart() -> None:
        daemon = TaskDaemon()
        async with a_rig(tmp_path, AFTERNOON, daemon, {}) as rig:
            daemon.by(rig.clock)
            await rig.start()
            await rig.passes(5)
            await rig.signal("QQQ", 0.8)
            await rig.passes(10)
            await daemon.stop()
            rig.gateway.faults.add(Refuse("reqAccountUpdatesMulti", 322, "requests at once", times=_FOR_EVER))
            await rig.start()
            assert read_book(rig.book).held.keys() == {"QQQ"}
            rig.move("QQQ", "-5")
            await rig.passes(90)
            assert not read_book(rig.book).held

    in_virtual_time(restart)


def test_a_book_is_not_begun_on_credit(tmp_path: Path) -> None:
    async def begin() -> None:
        daemon = TaskDaemon()
        async with a_rig(tmp_path, AFTERNOON, daemon, {}) as rig:
            daemon.by(rig.clock)
            rig.gateway.faults.add(Alter("accountUpdateMulti", "value", "-100", times=_FOR_EVER))
            with pytest.raises(AssertionError) as failed:
                await rig.start()
            assert "DU1000001 has -100.00 US dollars: a book begins with what there is" in str(failed.value.__cause__)

    in_virtual_time(begin)
