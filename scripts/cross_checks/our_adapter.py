"""Our own adapter on ib_async: its tests and the brokers' contract, with that library in the place of ib_insync."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_TESTS = ("tests/adapters/ibkr", "tests/contracts")
_WHERE = "import ib_async; print(ib_async.__path__[0])"


def adapter_passes(python: str) -> bool:
    """Run them in this environment, with the packages of ib_async's before its own."""
    found = subprocess.run([python, "-c", _WHERE], capture_output=True, text=True, check=True)
    packages = Path(found.stdout.strip()).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (_ROOT, _ROOT / "scripts", packages)))}
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "cross_checks.ib_async_alone", *_TESTS]
    return not subprocess.run(pytest, cwd=_ROOT, env=env, stdout=sys.stderr, check=False).returncode
