"""A symbol that IB lists no more keeps nobody from selling what is held."""

from pathlib import Path

import pytest
from gateway.fault_script import FOR_EVER
from gateway.faults import Refuse

from proof.book_file import read_book
from proof.in_process import TaskDaemon
from proof.rig import Rig, a_rig
from proof.stages import AFTERNOON
from proof.virtual_time import in_virtual_time

_GONE = "No security definition has been found for the request"


async def holding(rig: Rig, daemon: TaskDaemon) -> None:
    """QQQ is held, and the daemon is stopped."""
    daemon.by(rig.clock)
    await rig.start()
    await rig.passes(5)
    await rig.signal("QQQ", 0.8)
    await rig.passes(10)
    assert read_book(rig.book).held.keys() == {"QQQ"}
    await daemon.stop()


def delist(rig: Rig, symbol: str) -> None:
    rig.gateway.faults.add(Refuse("reqContractDetails", 200, _GONE, symbol=symbol, times=FOR_EVER))


@pytest.mark.parametrize("gone", ["SQQQ", "MSFT"])
def test_with_something_held_exits_go_on_and_nothing_opens(tmp_path: Path, gone: str) -> None:
    async def restart() -> None:
        daemon = TaskDaemon()
        async with a_rig(tmp_path, AFTERNOON, daemon, {}) as rig:
            await holding(rig, daemon)
            delist(rig, gone)
            await rig.start()
            [said] = [line for line in daemon.log if line.startswith(f"NOT LISTED {gone}")]
            assert f"{gone} is no stock or ETF in US dollars there" in said
            status = await rig.status()
            assert status is not None
            assert str(status["barred"]).startswith("not_listed")
            before = len(rig.gateway.asked("placeOrder"))
            answer = await rig.signal("AAPL", 0.9)
            assert answer is not None
            assert answer["rule"] == "not_listed"
            assert len(rig.gateway.asked("placeOrder")) == before
            rig.move("QQQ", "-5")
            await rig.passes(90)
            assert not read_book(rig.book).held

    in_virtual_time(restart)


def test_with_nothing_held_the_start_is_refused_by_name(tmp_path: Path) -> None:
    async def begin() -> None:
        daemon = TaskDaemon()
        async with a_rig(tmp_path, AFTERNOON, daemon, {}) as rig:
            daemon.by(rig.clock)
            delist(rig, "SQQQ")
            with pytest.raises(AssertionError) as failed:
                await rig.start()
            assert "SQQQ is no stock or ETF in US dollars there" in str(failed.value.__cause__)

    in_virtual_time(begin)


def test_what_is_held_and_gone_itself_does_not_keep_the_others_from_being_sold(tmp_path: Path) -> None:
    async def restart() -> None:
        daemon = TaskDaemon()
        async with a_rig(tmp_path, AFTERNOON, daemon, {}) as rig:
            await holding(rig, daemon)
            await rig.start()
            await rig.signal("AAPL", 0.9)
            await rig.passes(10)
            await daemon.stop()
            delist(rig, "QQQ")
            await rig.start()
            rig.move("AAPL", "-5")
            await rig.passes(90)
            assert read_book(rig.book).held.keys() == {"QQQ"}
            assert any(line.startswith("EXITS NOT WATCHED QQQ") for line in daemon.log) or rig.protects_at_broker

    in_virtual_time(restart)
