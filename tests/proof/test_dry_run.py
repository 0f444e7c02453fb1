"""A dry run: bars of Interactive Brokers, executions of the embedded broker, and not one order at the gateway."""

from pathlib import Path

from proof.book_file import read_book
from proof.in_process import TaskDaemon
from proof.rig import a_rig
from proof.stages import AFTERNOON
from proof.virtual_time import in_virtual_time


def test_a_dry_run_trades_on_the_gateways_prices_and_sends_it_no_order(tmp_path: Path) -> None:
    async def dry_run() -> None:
        daemon = TaskDaemon()
        async with a_rig(tmp_path, AFTERNOON, daemon, {"broker": {"kind": "paper"}}) as rig:
            daemon.by(rig.clock)
            await rig.start()
            await rig.passes(5)
            await rig.signal("QQQ", 0.8)
            await rig.passes(20)
            assert read_book(rig.book).held.keys() == {"QQQ"}
            rig.gateway.disconnect()
            await rig.passes(20)
            await daemon.stop()
            await rig.start()
            rig.move("QQQ", "-5")
            await rig.passes(130)
            assert not read_book(rig.book).held
            assert not rig.gateway.asked("placeOrder")
            assert not rig.gateway.truth.orders

    in_virtual_time(dry_run)
