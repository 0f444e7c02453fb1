"""A book that is gone, or another one beside it, has left orders and executions at the broker under the same name."""

from pathlib import Path

import pytest

from proof.book_file import read_book
from proof.in_process import TaskDaemon
from proof.rig import ACCOUNT, Rig, a_rig
from proof.stages import AFTERNOON
from proof.virtual_time import in_virtual_time


async def _bought(rig: Rig) -> dict[str, int]:
    """What the book holds after a signal."""
    await rig.start()
    await rig.passes(5)
    await rig.signal("QQQ", 0.8)
    await rig.passes(15)
    return {symbol: held.shares for symbol, held in read_book(rig.book).held.items()}


def _throw_away(book: Path) -> None:
    for file in book.parent.glob(f"{book.name}*"):
        file.unlink()


@pytest.mark.parametrize("protection", ["daemon", "broker"])
def test_a_new_book_trades_beside_what_an_earlier_one_has_done_today(tmp_path: Path, protection: str) -> None:
    async def two_books() -> None:
        daemon = TaskDaemon()
        async with a_rig(tmp_path, AFTERNOON, daemon, {"exits": {"protection": protection}}) as rig:
            daemon.by(rig.clock)
            await _bought(rig)
            await rig.command("flatten")
            await rig.passes(20)
            await daemon.stop()
            _throw_away(rig.book)
            held = await _bought(rig)
            assert held == rig.gateway.truth.positions(ACCOUNT) != {}
            assert not [line for line in daemon.log if line.startswith("UNEXPECTED EXECUTION")]
            [fill] = read_book(rig.book).fills.values()
            assert fill[0] == held["QQQ"]

    in_virtual_time(two_books)
