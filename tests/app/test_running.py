"""What `trader run` sees to before a life begins."""

import subprocess
import sys
from pathlib import Path

_LIFE = """
import gc
import sys
import trader.app.daemon

async def life(settings):
    print("left alone:", gc.get_freeze_count() > len(gc.get_objects()))

trader.app.daemon.run_daemon = life
from trader.app.cli import main
sys.argv = ["trader", "run", "--db", sys.argv[1]]
main()
"""


def test_what_was_loaded_for_the_start_is_left_alone_by_the_collector(tmp_path: Path) -> None:
    """Going through all of it takes longer than the loop may be blocked."""
    command = [sys.executable, "-c", _LIFE, str(tmp_path / "book.db")]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180)
    assert "left alone: True" in finished.stdout, finished.stderr
