"""Twenty sessions in one process: what it holds of the machine does not grow with the days."""

import os
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from processes.daemon import DB, LOG, Daemon, Project

SESSIONS = 20
WARM = 6
"""Sessions after which everything that is kept for some days is there."""

_RUN_S = 240.0
_WAL_BYTES = 12 * 1024 * 1024
_ROTATED_BYTES = 200_000
_OF_A_LOOK = 6
"""Descriptors that a look at the whole book holds while it lasts; one more a session would be 14."""


class Held(NamedTuple):
    """What the process holds of the machine."""

    resident_kb: int
    descriptors: int
    wal_bytes: int
    log_bytes: int


def held(daemon: Daemon) -> Held:
    status = Path(f"/proc/{daemon.pid}/status").read_text("ascii")
    [resident] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    wal = daemon.folder / f"{DB}-wal"
    logs = daemon.folder.glob(f"{Path(LOG).stem}*.log")
    return Held(
        int(resident),
        len(os.listdir(f"/proc/{daemon.pid}/fd")),
        wal.stat().st_size if wal.exists() else 0,
        sum(log.stat().st_size for log in logs),
    )


def sessions(project: Project) -> int:
    """Sessions that have ended flat."""
    if not project.fills():
        return 0
    return int(str(project.rows("SELECT count(*) FROM events WHERE type = 'flat_proven'")[0][0]))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process holds is read from /proc")
def test_twenty_sessions_hold_no_more_than_six(project: Project) -> None:
    (project.folder / "config" / "long.toml").write_text(
        (project.folder / "config" / "default.toml")
        .read_text("utf-8")
        .replace('rotation = "50 MB"', f'rotation = "{_ROTATED_BYTES} B"')
        .replace('retention = "30 days"', 'retention = "5 seconds"'),
        "utf-8",
    )
    daemon = project.start("--config", "config/long.toml", "--speed", "0")
    daemon.until(lambda: sessions(project) >= WARM, f"{WARM} sessions", _RUN_S)
    warm = held(daemon)
    daemon.until(lambda: sessions(project) >= SESSIONS, f"{SESSIONS} sessions", _RUN_S)
    late = held(daemon)
    assert late.resident_kb <= 1.25 * warm.resident_kb, (warm, late)
    assert late.descriptors <= warm.descriptors + _OF_A_LOOK, (warm, late)
    assert max(warm.wal_bytes, late.wal_bytes) <= _WAL_BYTES, (warm, late)
    assert late.log_bytes <= 20 * _ROTATED_BYTES, (warm, late)
    assert daemon.ended(signal.SIGTERM) == 0
    project.check_book()
    assert project.rows("SELECT count(*) FROM events WHERE type = 'not_flat'") == [(0,)]
