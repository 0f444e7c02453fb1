"""A daemon that has taken over positions stays with them, whatever becomes of the disk."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from trader.adapters.sqlite.database import Writer
from trader.app.daemon import a_daemon
from trader.app.host import ThisMachine
from trader.app.paths import with_absolute_paths
from trader.app.settings import load_settings
from trader.domain.errors import BookUnwritable

_DEFAULT = Path(__file__).parents[2] / "config" / "default.toml"
_Result = TypeVar("_Result")


class Disk(ThisMachine):
    """This machine, whose disk can be filled."""

    is_full = False

    async def open_writer(self, path: Path) -> Writer:
        return OnDisk(self, await super().open_writer(path))


class OnDisk:
    def __init__(self, disk: Disk, writer: Writer) -> None:
        self._disk = disk
        self._writer = writer

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        if self._disk.is_full:
            raise BookUnwritable("the test's disk is full")
        return await self._writer.transact(job)

    async def close(self) -> None:
        await self._writer.close()


async def test_a_recovered_daemon_runs_though_the_book_does_not_answer(tmp_path: Path) -> None:
    disk = Disk()
    settings = load_settings(
        _DEFAULT,
        book={"db": tmp_path / "book.db"},
        feed={"inbox": str(tmp_path / "inbox")},
        log={"file": tmp_path / "log"},
    )
    async with a_daemon(with_absolute_paths(settings), disk) as daemon:
        await daemon.recover()
        disk.is_full = True
        running = asyncio.create_task(daemon.run())
        await asyncio.wait([running], timeout=0.3)
        assert not running.done(), running
        disk.is_full = False
        daemon._stopping.ask("the end of the test")
        await running
