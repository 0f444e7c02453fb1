"""The spill file fails too, at operation N, of a day in which the book cannot be written, can again, and cannot again.

An exit that neither can take is sent all the same and said; one of which it was said that the spill file has it is
found by the next process, whatever else has failed.
"""

import asyncio
import errno
import os
import re
from collections.abc import Collection
from pathlib import Path

import pytest
from builders import Market
from failing import STEPS, FailingDisk, Witness, a_market, dies_and_starts, disagreements, until_settled
from needs import needs_seen_disk
from simulation.seen_disk import listening

from trader.adapters import spill_file

pytestmark = needs_seen_disk

_BOOK_FAILS_IN = frozenset(
    {"a stop of AAPL and an entry of JD", "MSFT is closed by a signal", "its fill, and an entry of QQQ"}
)
_AT_THE_END = len(STEPS)


class FailingSystem:
    """`os`, of which what brings bytes to the disk fails at the Nth time, and from then on where it lasts."""

    def __init__(self, number: int, *, lasts: bool) -> None:
        self._number = number
        self._lasts = lasts
        self._done = 0

    @property
    def fired(self) -> bool:
        return self._done >= self._number

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def heal(self) -> None:
        self._lasts = False

    def _fails(self) -> bool:
        self._done += 1
        return self._done == self._number or (self._lasts and self._done > self._number)

    def pwrite(self, file: int, data: bytes, offset: int) -> int:
        """On a full disk a part is written."""
        return os.pwrite(file, data[: len(data) // 2] if self._fails() else data, offset)

    def fdatasync(self, file: int) -> None:
        if self._fails():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fdatasync(file)


async def a_day(market: Market, disk: FailingDisk, steps: int) -> None:
    """So many steps, in some of which the book cannot be written."""
    for name, step in list(STEPS.items())[:steps]:
        disk.works = name not in _BOOK_FAILS_IN
        await step(market)
    disk.works = True


async def run(folder: Path, system: FailingSystem, *, dies_after: int) -> list[str]:
    """The day; then the process dies, or everything heals."""
    witness, disk = Witness(), FailingDisk("input/output error", 1, lasts=True)
    with listening(disk), pytest.MonkeyPatch.context() as patch:
        market = a_market(folder / "trading_data.db", witness)
        await market.start()
        await market.bar()
        patch.setattr(spill_file, "os", system)
        await a_day(market, disk, dies_after)
        system.heal()
        faults = list(witness.faults)
        if dies_after == _AT_THE_END:
            await until_settled(market)
            faults += disagreements(market, witness)
        next_ = await dies_and_starts(market, witness, folder / "next")
        faults += _not_known(next_, _said_to_be_spilled(market))
        await until_settled(next_)
        next_.check()
        await market.stop()
        await next_.stop()
    return [*faults, *([f"the book holds {next_.held()}"] if next_.held() else [])]


def _said_to_be_spilled(market: Market) -> set[str]:
    said = market.log.said("EXIT WITHOUT THE BOOK")
    return {ref for line in said for ref in re.findall(r"ref=(\S+): it is in the spill file", line)}


def _not_known(market: Market, refs: Collection[str]) -> list[str]:
    in_book = {ref for (ref,) in market.sql("SELECT order_ref FROM orders")}
    return [f"{ref} was said to be in the spill file, and is not in the book" for ref in sorted({*refs} - in_book)]


@pytest.mark.parametrize("dies_after", [3, 4, 5, 6, _AT_THE_END])
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
def test_what_is_said_of_a_spilled_exit_is_true_whatever_fails(tmp_path: Path, lasts: bool, dies_after: int) -> None:
    number = 0
    fired = True
    while fired:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        system = FailingSystem(number, lasts=lasts)
        assert asyncio.run(run(folder, system, dies_after=dies_after)) == [], f"operation {number}"
        fired = system.fired
    assert number > 2
