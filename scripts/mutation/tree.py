"""The copy that is mutated: a folder that git ignores, brought up to date before each run.

mutmut keeps there what became of each mutant. It begins anew with a function that has changed, and with every one
where the tests have.
"""

import shutil
from pathlib import Path

from mutation.areas import Area

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".mutation"
_COPIED = ("trader", "tests", "scripts", "config")
_FILES = ("pyproject.toml", "README.md", "START_TRADER.sh")
_NO_SOURCE = ("__pycache__", "*.db", "*.db-wal", "*.db-shm")
_UNWANTED = shutil.ignore_patterns(*_NO_SOURCE)
_UNWANTED_OR_CODE = shutil.ignore_patterns(*_NO_SOURCE, "*.py")


def prepare(area: Area) -> Path:
    """Bring the copy up to date and write what mutmut is to do there."""
    place = FOLDER / area.name
    place.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        _mirror(REPOSITORY / name, place / name)
    for name in _FILES:
        shutil.copy2(REPOSITORY / name, place / name)
    for name in _COPIED:
        _follow(place / name, place / "mutants" / name)
    (place / "setup.cfg").write_text(_configuration(area), "utf-8")
    return place


def _mirror(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=_UNWANTED)
    _forget_what_is_gone(source, target)


def _follow(source: Path, mutants: Path) -> None:
    """Bring up to date what mutmut has made of it before: what is no code, as a schema, it copies once."""
    _forget_what_is_gone(source, mutants)
    if mutants.is_dir():
        shutil.copytree(source, mutants, dirs_exist_ok=True, ignore=_UNWANTED_OR_CODE)


def _forget_what_is_gone(source: Path, target: Path) -> None:
    """Of Python alone: the rest beside it is mutmut's own."""
    for path in target.rglob("*.py") if target.is_dir() else ():
        if not (source / path.relative_to(target)).exists():
            path.unlink()


def _configuration(area: Area) -> str:
    settings = {
        "source_paths": ("trader",),
        "only_mutate": area.code,
        "also_copy": ("config", "scripts", "README.md", "START_TRADER.sh"),
        "pytest_add_cli_args_test_selection": area.tests,
        "pytest_add_cli_args": ("-q", "-p", "no:cacheprovider", "-p", "mutation.first_cases"),
        "use_git_change_detection": ("false",),
        "process_isolation": (area.isolation,),
        "timeout_multiplier": ("5",),
        "timeout_constant": ("2",),
    }
    lines = ["[mutmut]"]
    for key, values in settings.items():
        lines += [f"{key} =", *(f"    {value}" for value in values)] if len(values) > 1 else [f"{key} = {values[0]}"]
    return "\n".join(lines) + "\n"
