"""The build of a run: what goes into it, what is compared with the disk, and where it is shown."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from trader.adapters.sqlite.soundness import shipped_fingerprint
from trader.app import daemon as module
from trader.app.daemon import Daemon, a_daemon
from trader.app.host import ThisMachine
from trader.app.installed import configuration_fingerprint
from trader.app.paths import with_absolute_paths
from trader.app.settings import Settings, load_settings

_CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a folder of its own, with a strategy in it."""
    shutil.copytree(_CONFIG, tmp_path / "config")
    (tmp_path / "mine.py").write_text(
        "from trader import Signal\n\n"
        "class Mine:\n    def on_bar(self, bar):\n        return [Signal(bar.symbol, 0.95)]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return with_absolute_paths(
        load_settings(
            tmp_path / "config" / "default.toml", strategy={"entry": "mine:Mine"}, feed={"seed": 7, "speed": 600}
        )
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Daemon]:
    async with a_daemon(settings, ThisMachine()) as daemon:
        await daemon.recover()
        task = asyncio.create_task(daemon.run())
        try:
            yield daemon
        finally:
            daemon._stopping.ask("the end of the test")
            await task


async def until(daemon: Daemon, differs: str) -> None:
    async with asyncio.timeout(10):
        while daemon.engine.trading.version_guard.differs != differs:  # noqa: ASYNC110  (a chore finds it)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["config/default.toml", "config/families.toml", "mine.py", ".env"])
async def test_a_file_that_is_changed_under_a_daemon_stops_entries_until_it_is_as_it_was(
    settings: Settings, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMPARE_S", 0.02)
    path = tmp_path / name
    before = path.read_text() if path.exists() else None
    async with running(settings) as daemon:
        await asyncio.sleep(0.1)
        assert daemon.engine.trading.version_guard.differs == ""
        path.write_text((before or "") + "\n# one more line\n")
        await until(daemon, f"{path} changed")
        assert "version_differs" in daemon.engine.trading.gate.why
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
        await until(daemon, "")
        assert daemon.engine.trading.gate.why == ""


async def test_a_schema_that_is_changed_under_a_daemon_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMPARE_S", 0.02)
    async with running(settings) as daemon:
        with closing(sqlite3.connect(settings.book.db)) as book:
            book.execute("DROP VIEW round_trips")
        await until(daemon, f"the schema of {settings.book.db} changed")


async def test_runs_and_orders_carry_the_build(settings: Settings) -> None:
    async with running(settings) as daemon:
        build = daemon._running.build
        async with asyncio.timeout(10):
            while not daemon.engine.book.orders_made:  # noqa: ASYNC110  (the market moves by itself)
                await asyncio.sleep(0.05)
    with closing(sqlite3.connect(settings.book.db)) as book:
        told = [
            (kind, json.loads(data))
            for kind, data in book.execute(
                "SELECT type, data FROM events WHERE type IN ('run_started','order_created')"
            )
        ]
    assert {data["build"] for _, data in told} == {build.stamp}
    assert {kind for kind, _ in told} == {"run_started", "order_created"}
    assert told[0][1] | build._asdict() == told[0][1]


async def test_a_new_book_has_the_schema_that_is_shipped(settings: Settings) -> None:
    async with a_daemon(settings, ThisMachine()) as daemon:
        assert daemon._running.build.schema == shipped_fingerprint()


async def test_the_configuration_in_force_is_told_apart_whatever_it_was_set_by(
    settings: Settings, tmp_path: Path
) -> None:
    first = configuration_fingerprint(settings)
    flagged = load_settings(settings.toml_file, strategy={"entry": "mine:Mine"}, feed={"seed": 8, "speed": 600})
    assert configuration_fingerprint(with_absolute_paths(flagged)) != first
    (tmp_path / "mine.py").write_text("class Mine: ...")
    assert configuration_fingerprint(settings) != first
