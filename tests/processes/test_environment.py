"""The environment: made when it is missing, finished when it was interrupted, never by a live start."""

import re
import shlex
import shutil
import signal
from pathlib import Path

import pytest

from processes.daemon import Finished, Project, obeying_modes, wait_for

_TOOLS = shlex.split("bash cat dirname env flock grep head ls mkdir paste readlink rm sed sha256sum sort")
_OLD = 'if [ "$1" = --version ]; then echo "Python 3.8.18"; else exit 1; fi'
_BROKEN_SHIM = 'echo "pyenv: ${0##*/}: command not found" >&2; exit 127'
_WITHOUT_VENV = '[ "$1" = -c ] || { echo "no space for an environment" >&2; exit 1; }'
_INSTALL_S = 240.0


@pytest.fixture
def bare(checkout: Path, tmp_path: Path) -> Project:
    """A copy without any environment."""
    folder = tmp_path / "trader"
    shutil.copytree(checkout, folder)
    return Project(folder, None)


def _path_with(tmp_path: Path, pythons: dict[str, str]) -> str:
    """A PATH with the usual tools and no Python but these."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in _TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    for name, script in pythons.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n", "utf-8")
        (folder / name).chmod(0o755)
    return str(folder)


def _run(project: Project, tmp_path: Path, pythons: dict[str, str], *flags: str) -> Finished:
    return project.run(*flags, variables={"PATH": _path_with(tmp_path, pythons)})


@pytest.mark.parametrize(
    ("pythons", "said"),
    [
        ({}, "and python3.11 python3.12 python3.13 python3 is none. Install one"),
        ({"python3": _OLD}, "/python3 says: Python 3.8.18."),
        ({"python3.11": _BROKEN_SHIM, "python3": _OLD}, "/python3.11 says: pyenv: "),
    ],
    ids=["no Python", "an old Python", "a pyenv shim without a Python behind it"],
)
def test_without_a_usable_python_it_says_what_to_install(
    bare: Project, tmp_path: Path, pythons: dict[str, str], said: str
) -> None:
    finished = _run(bare, tmp_path, pythons)

    finished.refused(2, "Python 3.11, 3.12 or 3.13", said, "apt-get install", "TRADER_PYTHON=")
    assert not (bare.folder / ".venv").exists()


def test_a_python_that_does_not_run_is_passed_over(bare: Project, tmp_path: Path) -> None:
    finished = _run(bare, tmp_path, {"python3.11": _BROKEN_SHIM, "python3.12": _WITHOUT_VENV})

    finished.refused(2, "no space for an environment", "python3.12 could not make")


def test_a_python_named_by_the_user_is_the_only_one_tried(bare: Project) -> None:
    finished = bare.run(variables={"TRADER_PYTHON": "/no/such/python"})

    finished.refused(2, "/no/such/python is none")


@pytest.mark.parametrize(
    ("flags", "variables", "dot_env"),
    [
        (["--config", "config/real.toml"], {}, ""),
        (["--speed", "1", "--config=config/real.toml"], {}, ""),
        (["-c", "config/real.toml"], {}, ""),
        (["-cconfig/real.toml"], {}, ""),
        ([], {"TRADER_MODE": "live"}, ""),
        ([], {}, "TRADER_MODE=live\n"),
        ([], {}, 'export trader_mode = "live"\n'),
    ],
)
def test_a_live_start_never_installs(bare: Project, flags: list[str], variables: dict[str, str], dot_env: str) -> None:
    (bare.folder / "config" / "real.toml").write_text("# mine\n  mode='live'\n", "utf-8")
    (bare.folder / ".env").write_text(dot_env, "utf-8")

    finished = bare.run(*flags, variables=variables)

    finished.refused(
        2, "is out of date: it is not there. Nothing was installed", "scripts/environment requirements.lock"
    )
    assert not (bare.folder / ".venv").exists()


def test_a_live_start_says_what_has_changed(project: Project) -> None:
    with (project.folder / "requirements.lock").open("a", encoding="utf-8") as lock:
        lock.write("# a comment\n")

    project.run(variables={"TRADER_MODE": "live"}).refused(2, "is out of date: changed: requirements.lock.")


def test_a_live_start_notices_an_interrupted_installation(bare: Project) -> None:
    python = bare.folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    (bare.folder / ".venv" / ".made-from").touch()

    bare.run(variables={"TRADER_MODE": "live"}).refused(2, "its installation was interrupted")


def test_what_the_script_has_not_made_is_left_alone(bare: Project, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("three years of work", "utf-8")

    finished = bare.run(variables={"TRADER_VENV": str(theirs)})

    finished.refused(2, str(theirs), "was not made by this script")
    assert [path.name for path in theirs.iterdir()] == ["thesis.txt"]


def test_an_environment_that_cannot_be_made_here_is_refused(bare: Project) -> None:
    bare.folder.chmod(0o500)
    try:
        finished = bare.start(before=obeying_modes()).finished()
    finally:
        bare.folder.chmod(0o700)

    finished.refused(2, "cannot write to", ".venv")


def test_what_trades_is_what_was_tested(checkout: Path) -> None:
    """An environment for the tests serves the daemon, too: the lock of the one holds every pin of the other."""
    pins = {
        name: set(re.findall(r"^[\w.-]+==[^ \\]+", (checkout / name).read_text("utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    }

    assert len(pins["requirements.lock"]) > 10
    assert pins["requirements.lock"] - pins["requirements-dev.lock"] == set()


@pytest.mark.slow
def test_a_fresh_clone_trades_after_a_killed_install_and_two_starts_at_once(bare: Project) -> None:
    """The first start is killed while it installs; of the next two, one finishes the work and trades."""
    killed = bare.start(before=obeying_modes())
    packages = bare.folder / ".venv" / "lib"
    killed.until(lambda: any(packages.glob("*/site-packages/tz*")), "the first packages", _INSTALL_S)
    killed.killed()
    assert (bare.folder / ".venv" / ".made-from").read_bytes() == b""

    both = [bare.start("--speed", "3000", before=obeying_modes()) for _ in range(2)]
    wait_for(lambda: not all(daemon.runs for daemon in both), "that one is refused", _INSTALL_S)
    trading, refused = sorted(both, key=lambda daemon: not daemon.runs)
    refused.finished().refused(6, f"process {trading.pid}")
    trading.until(lambda: bare.fills() >= 3, "three executions")

    assert sum("interrupted); this takes a minute" in daemon.err for daemon in both) == 1
    assert sum("Waiting for another start" in daemon.err for daemon in both) == 1
    assert trading.ended(signal.SIGTERM) == 0
    bare.check_book()
