"""The command line, and the report."""

import argparse
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

from crash_rig.campaign import LIVES, Outcome, run
from crash_rig.life import End
from crash_rig.points import OUT_OF_REACH, all_points


def main(arguments: Sequence[str]) -> int:
    """Run and report. The exit code says whether anything was violated."""
    parser = argparse.ArgumentParser(prog="python scripts/crash_rig", description="Kill the daemon; look at its book.")
    parser.add_argument("--crashes", type=int, default=300, help="how many deaths, at least (default 300)")
    parser.add_argument("--seed", type=int, default=7, help="which deaths (default 7)")
    parser.add_argument("--jobs", type=int, default=2, help="books at a time (default 2)")
    parser.add_argument("--run", type=int, default=None, help="only the book of this number")
    options = parser.parse_args(arguments)
    numbers = range(-(-options.crashes // LIVES)) if options.run is None else [options.run]
    begin = time.monotonic()
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        outcomes = list(pool.imap_unordered(partial(_one, options.seed), numbers))
    report(outcomes, options.seed, time.monotonic() - begin)
    return int(any(outcome.violations for outcome in outcomes))


def _one(seed: int, number: int) -> Outcome:
    return run(seed, number, LIVES)


def report(outcomes: Sequence[Outcome], seed: int, seconds: float) -> None:
    """Say what was covered, what was violated, and how to see it again."""
    lived = [life for outcome in outcomes for life in outcome.lived]
    ends = Counter(life.end for life in lived)
    crashes = sum(count for end, count in ends.items() if end.is_crash)
    for end in End:
        print(f"{ends[end]:6} {end}")
    print(f"{crashes:6} crashes in {seconds:.0f} s: {len(lived) / seconds:.1f} lives a second")
    ready = sorted(life.ready_after_s for life in lived if life.ready_after_s is not None)
    if ready:
        print(
            f"       recovery, from the process's start to the open gate: p50 {_quantile_ms(ready, 0.5):.0f} ms, "
            f"p99 {_quantile_ms(ready, 0.99):.0f} ms, {len(ready)} times"
        )
    points = all_points()
    covered = {name for life in lived for name in life.names} & set(points)
    print(f"       died at {len(covered)} of {len(points)} failpoints ({len(OUT_OF_REACH)} steps cannot happen)")
    for point in sorted(set(points) - covered):
        print(f"       not reached: {point}")
    violations = [violation for outcome in outcomes for violation in outcome.violations]
    print(f"{len(violations):6} violations")
    for violation in violations[:20]:
        print(f"  run {violation.run}, life {violation.life}, {violation.plan}\n    {violation.fault}")
    for outcome in outcomes:
        if outcome.folder is not None:
            print(f"  again: python scripts/crash_rig --seed {seed} --run {outcome.number}   kept: {outcome.folder}")


def _quantile_ms(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000
