"""The dashboard as the daemon's child: begun anew when it ends, and nothing here waits for it.

Rule 1: it ends with the daemon, however that ends: it holds the other end of a pipe, which closes then.
Rule 2: it is begun anew later and later, up to a minute. That its port is taken is said once, and asked each minute.
Rule 3: what it prints goes nowhere, for it prints its tokens.
"""

import asyncio
import os
import sys
from contextlib import suppress

from trader.app.settings import Settings
from trader.services.ports import Log

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONG_LIFE_S = 1.0, 60.0, 60.0
_CANNOT_BE = 2
"""The exit code of a wrong configuration, a taken port among them."""


class DashboardProcess:
    """Of one account."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log

    async def keep(self) -> None:
        """For as long as the daemon runs; at once over where there is to be none."""
        if not self._settings.dashboard.enabled:
            return
        account, port = self._settings.account.name, self._settings.dashboard.port
        pause_s, refused, loop = _FIRST_PAUSE_S, False, asyncio.get_running_loop()
        self._log.info(
            f"DASHBOARD http://127.0.0.1:{port}; `trader dashboard --link` opens it; /metrics is for Prometheus "
            f"account={account}"
        )
        while True:
            began_s = loop.time()
            try:
                code: int | str = await self._live_once()
            except OSError as error:
                code = f"{error.strerror} (it could not be started)"
            if code == _CANNOT_BE:
                if not refused:
                    self._log.warning(
                        f"NO DASHBOARD and no metrics: see `trader dashboard --port {port}`; another account's "
                        "daemon needs a dashboard.port of its own; trading goes on "
                        f"account={account}"
                    )
                refused = True
                await asyncio.sleep(_LONGEST_PAUSE_S)
                continue
            refused = False
            pause_s = _FIRST_PAUSE_S if loop.time() - began_s >= _LONG_LIFE_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            self._log.warning(
                f"DASHBOARD ENDED with {code}; it is begun anew in {pause_s:g} s, trading goes on account={account}"
            )
            await asyncio.sleep(pause_s)

    async def _live_once(self) -> int:
        process = await asyncio.create_subprocess_exec(  # noqa: TID251  (beside the simulated loop)
            *(sys.executable, "-m", "trader", "dashboard", "--until-told"),
            *("--port", str(self._settings.dashboard.port)),
            *("--config", str(self._settings.toml_file.absolute()), "--db", str(self._settings.book.db.absolute())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "ACCOUNT_NAME": self._settings.account.name},
            start_new_session=True,
        )
        try:
            return await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
