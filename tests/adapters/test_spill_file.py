"""The spill file: what is in it is whole, and what is torn was never sent."""

import errno
import os
import stat
from pathlib import Path

import pytest
from builders import NOON

from trader.adapters.spill_file import SpillFile, spill_path
from trader.domain.decision import Purpose, Side
from trader.domain.errors import BookUnwritable
from trader.domain.order import Order, OrderState


def an_exit(number: int) -> Order:
    return Order(
        ref=f"paper-1-{number:04d}",
        account="paper",
        symbol="BRK.B",
        side=Side.SELL,
        quantity=number,
        limit_micros=None,
        purpose=Purpose.EOD,
        reason='the "close"\nof the day',
        signal_id="",
        state=OrderState.CREATED,
        filled=0,
        created_at=NOON,
        updated_at=NOON,
    )


def test_what_was_written_down_is_read_again_by_the_next_process(tmp_path: Path) -> None:
    path = spill_path(tmp_path / "book.db", "paper")
    first = SpillFile(path)
    orders = [an_exit(number) for number in range(1, 400)]
    for order in orders:
        first.append(order)
    assert SpillFile(path).read() == orders
    first.clear()
    assert SpillFile(path).read() == []
    first.append(orders[0])
    assert SpillFile(path).read() == orders[:1]


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_torn_line_was_never_sent(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "exits"
    spill = SpillFile(path)
    spill.append(an_exit(1))
    whole = len(path.read_bytes().split(b"\0")[0])
    spill.append(an_exit(2))
    with path.open("r+b") as file:
        file.seek(whole + cut)
        file.write(bytes(1000))
    again = SpillFile(path)
    assert again.read() == [an_exit(1)]


def test_a_line_after_a_torn_one_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "exits"
    spill = SpillFile(path)
    spill.append(an_exit(1))
    whole = len(path.read_bytes().split(b"\0")[0])
    with path.open("r+b") as file:
        file.seek(whole)
        file.write(b"0123456789abcdef {torn")
    again = SpillFile(path)
    again.append(an_exit(2))
    assert SpillFile(path).read() == [an_exit(1), an_exit(2)]


def test_a_line_after_a_clearing_that_failed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zeros are in the file, though the disk did not say so."""
    path = tmp_path / "exits"
    spill = SpillFile(path)
    spill.append(an_exit(1))
    with monkeypatch.context() as failing:
        failing.setattr(os, "fdatasync", _fails)
        with pytest.raises(OSError, match="Input/output error"):
            spill.clear()
    spill.append(an_exit(2))
    assert SpillFile(path).read() == [an_exit(2)]


def _fails(_: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_its_room_is_taken_when_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "exits"
    SpillFile(path).close()
    assert path.stat().st_blocks * 512 >= 64 * 1024
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_spill_file_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BookUnwritable, match="cannot make the spill file"):
        SpillFile(tmp_path / "missing" / "exits")
