"""The environments of the clients: one that is named, or one that is made here, each for one package alone."""

import os
import subprocess
import sys
from pathlib import Path

_MADE = Path(".cross_check")


class NotToBeHad(RuntimeError):
    """A package that is not there and cannot be installed."""


def python_of(package: str, requirement: str, variable: str) -> str:
    """The Python that has the package: what the variable names, or a new environment with nothing else in it."""
    if named := os.environ.get(variable):
        if not _has(named, package):
            raise NotToBeHad(f"{variable}={named} has no {package}; name a Python that has it, or unset {variable}.")
        return named
    python = _MADE / package / "bin" / "python"
    if not _has(str(python), package):
        _install(python.parents[1], requirement)
    return str(python)


def _has(python: str, package: str) -> bool:
    try:
        return not subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode
    except OSError:
        return False


def _install(environment: Path, requirement: str) -> None:
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    for command in ([sys.executable, "-m", "venv", str(environment)], [*pip, "--quiet", requirement]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotToBeHad(f"{requirement} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
