"""The daemon and a strategy that never comes back: exits go on, it is disabled, and stays so until it is resumed."""

import json
import signal
import subprocess

from processes.daemon import Project

_ENDLESS = """
from trader import Signal

class Endless:
    def __init__(self):
        self.seen = set()
    def on_bar(self, bar):
        self.seen.add(bar.timestamp)
        while len(self.seen) > 3:
            pass
        return [Signal(bar.symbol, 0.95)]
"""
_FLAGS = ("--strategy", "endless:Endless", "--speed", "1500")


def _trader(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project.python, "-m", "trader", *words], cwd=project.folder, capture_output=True, text=True, check=False
    )


def test_an_endless_strategy_is_disabled_and_every_position_is_closed_all_the_same(project: Project) -> None:
    (project.folder / "endless.py").write_text(_ENDLESS, "utf-8")
    daemon = project.start(*_FLAGS, variables={"TRADER_STRATEGY__DEADLINE_S": "1"})
    daemon.until_log("STRATEGY Endless DISABLED")
    daemon.until_log("FLAT PROVEN")
    assert project.fills() > 0
    assert project.rows("SELECT DISTINCT purpose FROM trades WHERE side = 'SELL' ORDER BY 1")
    assert daemon.ended(signal.SIGTERM) == 0

    again = project.start(*_FLAGS)
    again.until_log("READY")
    told = json.loads(_trader(project, "status", "--json").stdout)
    assert [halt["scope"] for halt in told["halts"]] == ["strategy"]
    assert "`trader resume --strategy Endless" in str(told["warnings"])
    answer = _trader(project, "resume", "--strategy", "Endless", "--reason", "mended")
    assert (answer.returncode, "entries resumed: strategy:Endless" in answer.stdout) == (0, True), answer
    assert again.ended(signal.SIGTERM) == 0
    project.check_book()
