"""`scripts/mutate`: make mutants, ask the tests of each once, and say who has survived."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutation.areas import AREAS, Area
from mutation.changed import Changed, changed_since
from mutation.first_cases import EVERY_CASE
from mutation.results import Change, Fate, Mutant, change_of, explanation, read_explained, read_mutants
from mutation.tree import FOLDER, REPOSITORY, prepare

_FINDINGS, _USAGE, _BROKEN = 4, 2, 1
_DURATION = re.compile(r"(\d+)([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_AIM = 95.0
_DETECTED = (Fate.KILLED, Fate.TIMEOUT)
_NOT_NOTICED = (Fate.SURVIVED, Fate.NO_TESTS)
_IN_MEMORY = Path("/dev/shm")  # noqa: S108  (each test makes a folder of its own there)
"""Where a book is written without waiting for a disk: half of a test's time, and no mutant is about that."""


def main(arguments: Sequence[str]) -> int:
    """Run, or go on, and report."""
    asked = _parser().parse_args(arguments)
    unknown = set(asked.area) - {area.name for area in AREAS}
    if unknown:
        sys.stderr.write(f"there is no area {', '.join(sorted(unknown))}\n")
        return _USAGE
    areas = [area for area in AREAS if not asked.area or area.name in asked.area]
    if asked.changed:
        return _changed(asked.changed, asked.seconds, asked.children)
    left = asked.seconds
    for area in areas if not asked.report else ():
        began = os.times().elapsed
        names = _chosen(area, asked)
        if names is not None and not names:
            continue
        if not _run(area, names or (), left, asked.children, every_case=asked.survivors):
            return _BROKEN
        left = max(left - (os.times().elapsed - began), 0) if left is not None else None
        if left == 0:
            break
    return _FINDINGS if sum(_report(area) for area in areas) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("area", nargs="*", help=f"Of {', '.join(area.name for area in AREAS)}; default: all.")
    parser.add_argument("--for", dest="seconds", type=_duration, default=None, help="For so long: 90s, 20m, 2h.")
    parser.add_argument("--changed", metavar="COMMIT", help="Only functions with lines that have changed since.")
    parser.add_argument("--survivors", action="store_true", help="Ask again who is not explained, every case.")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="Each Nth of those that wait, once made.")
    parser.add_argument("--report", action="store_true", help="Only say what was found so far.")
    parser.add_argument("--children", type=int, default=1, help="Mutants at a time.")
    return parser


def _chosen(area: Area, asked: argparse.Namespace) -> list[str] | None:
    """The mutants to ask, by name; None for all that wait."""
    mutants = list(read_mutants(FOLDER / area.name))
    if asked.survivors:
        return [mutant.name for mutant, _ in _survivors(FOLDER / area.name, mutants)[1]]
    if asked.sample > 1 and mutants:
        return [mutant.name for mutant in mutants if mutant.fate is Fate.WAITING][:: asked.sample]
    return None


def _duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write it as 90s, 20m or 2h")
    return float(int(match[1]) * _SECONDS[match[2]])


def _run(area: Area, names: Sequence[str], seconds: float | None, children: int, *, every_case: bool = False) -> bool:
    """Let mutmut go on, for so long at the most. False where it could not begin."""
    place = prepare(area)
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *names]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    if _IN_MEMORY.is_dir():
        environment["TMPDIR"] = str(_IN_MEMORY)
    if every_case or area.every_case:
        environment[EVERY_CASE] = "1"
    with (place / "mutmut.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            return True
        except (KeyboardInterrupt, SystemExit):
            _end(process)
            raise
    if code:
        tail = (place / "mutmut.log").read_text("utf-8", "replace").replace("\r", "\n").splitlines()[-40:]
        sys.stderr.write("\n".join([f"mutmut could not run {area.name}:", *tail, ""]))
    return code == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """What it has found is written down already, mutant by mutant. Its children are of its own session."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _report(area: Area) -> int:
    """Say what was found in an area; gives the number of survivors that nobody has explained."""
    place = FOLDER / area.name
    mutants = list(read_mutants(place))
    if not mutants:
        sys.stdout.write(f"{area.name}: nothing was asked yet\n")
        return 0
    explained, unexplained = _survivors(place, mutants)
    fates = Counter(mutant.fate for mutant in mutants)
    asked = len(mutants) - fates[Fate.WAITING]
    detected = sum(fates[fate] for fate in _DETECTED)
    score = 100 * detected / asked if asked else 0.0
    counts = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
    sys.stdout.write(
        f"{area.name}: {score:.1f} % of {asked} mutants noticed (aim {_AIM:g} %), {len(explained)} more explained; "
        f"{counts}\n"
    )
    for module in sorted({mutant.module for mutant in mutants}):
        own = Counter(mutant.fate for mutant in mutants if mutant.module == module)
        noticed, of = sum(own[fate] for fate in _DETECTED), sum(own.values()) - own[Fate.WAITING]
        if of:
            sys.stdout.write(f"  {module}: {noticed} of {of}\n")
    for mutant, change in unexplained:
        _show(mutant, change)
    return len(unexplained)


def _survivors(place: Path, mutants: Sequence[Mutant]) -> tuple[list[Mutant], list[tuple[Mutant, Change]]]:
    """Those that are explained, and the others with what they change."""
    every, explained, unexplained = read_explained(), [], []
    survivors = [mutant for mutant in mutants if mutant.fate in _NOT_NOTICED]
    diffs = _diffs(place, [mutant.name for mutant in survivors])
    for mutant in survivors:
        change = change_of(diffs[mutant.name])
        if explanation(mutant, change, every):
            explained.append(mutant)
        else:
            unexplained.append((mutant, change))
    return explained, unexplained


def _diffs(place: Path, names: Sequence[str]) -> dict[str, str]:
    told = subprocess.run(
        [sys.executable, "-m", "mutation.diffs"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")},
        input="\n".join(names),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    diffs: dict[str, str] = json.loads(told)
    return diffs


def _show(mutant: Mutant, change: Change) -> None:
    was, becomes = change.was.replace("\n", "\n    - "), change.becomes.replace("\n", "\n    + ")
    sys.stdout.write(f"  {mutant.fate}: {mutant.name}\n    - {was}\n    + {becomes}\n")


def _changed(commit: str, seconds: float | None, children: int) -> int:
    """Only mutants of lines that have changed since a commit."""
    try:
        changed = changed_since(commit)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"git: {error.stderr}")
        return _USAGE
    survivors = 0
    for area in AREAS:
        of_area = [one for one in changed if one.area == area]
        if of_area:
            if not _run(area, [one.pattern for one in of_area], seconds, children):
                return _BROKEN
            survivors += _report_changed(area, of_area)
    if not changed:
        sys.stdout.write(f"no function of {', '.join(area.name for area in AREAS)} has changed since {commit}\n")
    return _FINDINGS if survivors else 0


def _report_changed(area: Area, changed: Sequence[Changed]) -> int:
    place = FOLDER / area.name
    lines = {one.pattern.removesuffix("__mutmut_*"): one.lines for one in changed}
    mutants = [mutant for mutant in read_mutants(place) if mutant.function in lines]
    _, unexplained = _survivors(place, mutants)
    on_changed_lines = [
        (mutant, change)
        for mutant, change in unexplained
        if any(line in lines[mutant.function] for line in change.was.splitlines())
    ]
    fates = Counter(mutant.fate for mutant in mutants)
    counts = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
    sys.stdout.write(f"{area.name}: of changed functions {counts}; on changed lines {len(on_changed_lines)} survived\n")
    for mutant, change in on_changed_lines:
        _show(mutant, change)
    return len(on_changed_lines)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # mutmut's session would outlive this one
    sys.exit(main(sys.argv[1:]))
