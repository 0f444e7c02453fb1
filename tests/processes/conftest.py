"""The copy of the project that a test starts, and the environment that all of them share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes.daemon import Project

_ROOT = Path(__file__).resolve().parents[2]
_INSTALL_S = 300


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone would hold: every file that is tracked or would be."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={_ROOT}", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=_ROOT,
        check=True,
        capture_output=True,
    )
    folder = tmp_path_factory.mktemp("checkout")
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        source, target = _ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


@pytest.fixture(scope="session")
def environment(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the tests run in when it was made from these lock files, else one for all test processes."""
    make = [str(checkout / "scripts" / "environment")]
    own = {**os.environ, "TRADER_VENV": sys.prefix}
    if (
        subprocess.run([*make, "--check", "requirements.lock"], env=own, capture_output=True, check=False).returncode
        == 0
    ):
        return Path(sys.prefix)
    shared = tmp_path_factory.getbasetemp().parent / "trader-environment"
    made = {**os.environ, "TRADER_VENV": str(shared)}
    subprocess.run(make, env=made, check=True, timeout=_INSTALL_S)
    return shared


@pytest.fixture
def project(checkout: Path, environment: Path, tmp_path: Path) -> Iterator[Project]:
    """A fresh copy to start; what still runs at the end of the test is ended."""
    folder = tmp_path / "trader"
    shutil.copytree(checkout, folder)
    made = Project(folder, environment)
    yield made
    made.end()
