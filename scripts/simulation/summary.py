"""What the ledger of seeds adds up to, as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence

from simulation.configuration import Broker
from simulation.faults import GATEWAY_ALONE, Fault
from simulation.seeds import Line

_ABREAST = 3
"""Faults to a row."""
_WHERE = {Broker.PAPER: "", Broker.GATEWAY: ", at the gateway", Broker.SHARED: ", accounts on one book"}


def summary(lines: Sequence[Line]) -> str:
    """Two tables: what was run of each commit and in all, and which faults struck how often."""
    return "\n".join([*_by_commit(lines), "", *_by_fault(lines), *_violations(lines)])


def _by_commit(lines: Sequence[Line]) -> Iterator[str]:
    yield "| commit | days | lives | crashes | events | orders | fills | faults | days a minute | violations |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    commits = list(dict.fromkeys(line.commit for line in lines))
    for commit in commits:
        name, _, dirty = commit.partition("-")
        for broker in Broker:
            own = [line for line in lines if (line.commit, line.broker) == (commit, broker)]
            where = _WHERE[broker]
            if own:
                yield _row(name[:10] + (f"-{dirty}" if dirty else "") + where, own)
    if len({(line.commit, line.broker) for line in lines}) != 1:
        yield _row("all", lines)


def _row(name: str, lines: Sequence[Line]) -> str:
    days, seconds = sum(line.days for line in lines), sum(line.seconds for line in lines)
    counts = (
        days,
        sum(line.lives for line in lines),
        sum(line.crashes for line in lines),
        sum(line.events for line in lines),
        sum(line.orders for line in lines),
        sum(line.fills for line in lines),
        sum(sum(line.faults.values()) for line in lines),
        round(days / seconds * 60) if seconds else 0,
        sum(len(line.violations) for line in lines),
    )
    return f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |"


def _by_fault(lines: Sequence[Line]) -> Iterator[str]:
    struck: Counter[str] = Counter()
    for line in lines:
        struck.update(line.faults)
    possible = set(Fault) - (frozenset() if any(line.broker == Broker.GATEWAY for line in lines) else GATEWAY_ALONE)
    yield f"{len(struck)} of {len(possible)} kinds of faults:"
    yield ""
    yield f"| {' | '.join(['fault', 'struck'] * _ABREAST)} |"
    yield f"|{'---|---|' * _ABREAST}"
    cells = [f"{fault} | {count:,}" for fault, count in struck.most_common()]
    rows = -(-len(cells) // _ABREAST)
    for row in range(rows):
        yield f"| {' | '.join(cells[row::rows])} |"
    never = [fault for fault in Fault if fault in possible and fault not in struck]
    if never:
        yield ""
        yield f"Never: {', '.join(never)}."


def _violations(lines: Sequence[Line]) -> Iterator[str]:
    found = [(line, violation) for line in lines for violation in line.violations]
    if found:
        yield ""
        yield "Violations:"
        yield ""
    for line, violation in found:
        broker = f"--broker {line.broker} " if line.broker != Broker.PAPER else ""
        yield f"- {line.commit[:10]}, `{broker}--seed {line.seed} --days-per-run {line.days_per_run}`, {violation}"
