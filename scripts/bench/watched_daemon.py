"""`trader run` that notes every commit and, two hundred times a second, by how much its loop is late.

python scripts/bench/watched_daemon.py NOTES --config FILE ...    NOTES gets {"commit": [[at, took], ...], "lag": ...}
Times are of the system's monotonic clock, so that who has started it can tell which are whose.
"""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

from trader.app import daemon
from trader.app.cli import main
from trader.services.latencies import Latencies

_EVERY_S = 0.005

_Notes = list[tuple[float, float]]
_COMMITS: _Notes = []
_LAGS: _Notes = []


class _Noting(Latencies):
    def committed(self, began_s: float, ended_s: float) -> None:
        _COMMITS.append((ended_s, ended_s - began_s))
        super().committed(began_s, ended_s)


async def _probe() -> None:
    loop = asyncio.get_running_loop()
    while True:
        began_s = loop.time()
        await asyncio.sleep(_EVERY_S)
        _LAGS.append((loop.time(), loop.time() - began_s - _EVERY_S))


_RUN = daemon.run_daemon


async def _run(*given: object) -> None:
    probing = asyncio.create_task(_probe())
    try:
        await _RUN(*given)  # type: ignore[arg-type]
    finally:
        probing.cancel()
        with suppress(asyncio.CancelledError):
            await probing


if __name__ == "__main__":
    notes = Path(sys.argv.pop(1))
    sys.argv.insert(1, "run")
    daemon.run_daemon = _run  # type: ignore[assignment]
    sys.modules["trader.services.engine"].Latencies = _Noting  # type: ignore[attr-defined]
    try:
        main()
    finally:
        notes.write_text(json.dumps({"commit": _COMMITS, "lag": _LAGS}), "utf-8")
