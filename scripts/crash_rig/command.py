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
    parser.add_argument(
        "--broker",
        choices=("paper", "gateway"),
        default="paper",
        help="the paper broker in a process of its own, or the gateway of the tests, by Interactive Brokers' protocol: "
        "some four seconds a crash (default paper)",
    )
    options = parser.parse_args(arguments)
    if options.broker == "gateway":
        return before_the_gateway(options.crashes, options.seed, options.run)
    numbers = range(-(-options.crashes // LIVES)) if options.run is None else [options.run]
    begin = time.monotonic()
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        outcomes = list(pool.imap_unordered(partial(_one, options.seed), numbers))
        pool.close()
        pool.join()
    report(outcomes, options.seed, time.monotonic() - begin)
    return int(any(outcome.violations for outcome in outcomes))


def before_the_gateway(crashes: int, seed: int, only: int | None) -> int:
    """One book after the other; each is reported when it is over."""
    from crash_rig.gateway_campaign import LIVES as MOST  # the client library takes its time to load
    from crash_rig.gateway_campaign import live
    from crash_rig.gateway_daemon import GATEWAY_PORTS

    begin = time.monotonic()
    sizes = [min(MOST, crashes - done) for done in range(0, crashes, MOST)]
    seen = [live(seed, number, size) for number, size in enumerate(sizes) if only in (None, number)]
    points, covered = all_points(GATEWAY_PORTS), set[str]().union(*(book.places for book in seen))
    died, orders = sum(book.crashes for book in seen), sum(book.orders for book in seen)
    executions, violations = sum(book.executions for book in seen), [each for book in seen for each in book.violations]
    print(f"{died:6} crashes before the gateway in {time.monotonic() - begin:.0f} s, on {len(seen)} books")
    print(f"       {orders} orders and {executions} executions; died at {len(covered)} of {len(points)} failpoints")
    print(f"{len(violations):6} violations")
    for book in seen:
        for violation in book.violations[:20]:
            print(f"  run {book.number}, {violation}")
        if book.folder is not None:
            again = f"python scripts/crash_rig --broker gateway --seed {seed} --crashes {crashes} --run {book.number}"
            print(f"  again: {again}   kept: {book.folder}")
    return int(bool(violations))


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
