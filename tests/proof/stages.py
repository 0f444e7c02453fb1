"""What the daemon is doing when something happens to it. A stage goes on after that, to its end.

To add one: what comes before it, how it goes, how it ends, and what of it a trouble can strike (`Trait`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import NamedTuple

from proof.book_file import read_book
from proof.exits import stopped
from proof.rig import BROKER, DAEMON, Rig
from trader.domain.decision import Rule

SYMBOL, OTHER = "QQQ", "AAPL"
AFTERNOON = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
"""Monday, 14:00 in New York."""
BEFORE_THE_CLOSE = datetime(2026, 11, 23, 20, 52, tzinfo=UTC)
_ENTRIES_STOP = datetime(2026, 11, 23, 20, 53, tzinfo=UTC)
_FLATTEN = datetime(2026, 11, 23, 20, 54, tzinfo=UTC)

_ANSWER_S = 10.0
_A_MOMENT_S = 2.0
_LOOKS, _LOOK_S = 6, 10.0
_MINUTE_S = 60.0
_PART = 40
"""Shares."""
_REFUSALS = (None, Rule.UNRECONCILED.value, Rule.UNKNOWN_ORDER.value)
"""What a daemon says that has no connection, or has just lost one; or nothing."""
_TIMEOUT_S = 10
"""After so long an entry that is not done is cancelled."""


class Trait(Enum):
    """What happens in a stage, so that it can go wrong there."""

    PLACES = auto()
    FILLS = auto()
    CANCELS = auto()
    RESTS = auto()
    """An order of ours works at the broker when it begins."""
    GOES_ON = auto()
    """And still does when its message comes."""
    SENDS_PAIR = auto()
    """An entry leaves with its stop and its target."""
    PROTECTS = auto()
    """A stop and a target leave by themselves."""
    PROTECTED = auto()
    """What is held is protected at the broker when it begins."""
    BRACKET = auto()
    """The stop or the target there sells."""
    ENDS_PART = auto()
    """An entry is cancelled that is filled in part."""


Part = Callable[[Rig], Awaitable[None]]


async def nothing(rig: Rig) -> None:
    """Nothing more has to be done."""
    del rig


def _no_wish(rig: Rig) -> Iterable[str]:
    del rig
    return ()


class Stage(NamedTuple):
    """One of them."""

    name: str
    says: str
    """The message that it is about, and that troubles strike."""
    asks: str
    """The request."""
    traits: frozenset[Trait]
    prepare: Part
    go: Part
    finish: Part = nothing
    wants: Callable[[Rig], Iterable[str]] = _no_wish
    """What else has to be at its end; each thing that is not is a sentence."""
    halts: bool = False
    """Entries are stopped by the stage itself."""
    begins_at: datetime = AFTERNOON
    settings: Mapping[str, object] = {"signals": {"entry_timeout_s": _TIMEOUT_S}}


async def _enter(rig: Rig, symbol: str) -> None:
    """A signal to buy. A daemon that has gone does not answer."""
    answer = await rig.signal(symbol, 0.8)
    assert answer is None or answer["rule"] in _REFUSALS, answer
    await rig.passes(_A_MOMENT_S)


async def _no_depth(rig: Rig) -> None:
    rig.gateway.market.depth(SYMBOL, 0)


async def _an_entry_rests(rig: Rig) -> None:
    await _no_depth(rig)
    await _enter(rig, SYMBOL)
    assert await rig.until(lambda: [order.is_done for order in rig.orders(SYMBOL)] == [False], _ANSWER_S)


async def _enter_it(rig: Rig) -> None:
    await _enter(rig, SYMBOL)


async def _some(rig: Rig) -> None:
    rig.gateway.market.depth(SYMBOL, _PART)
    await rig.passes(_A_MOMENT_S)


async def _the_rest(rig: Rig) -> None:
    rig.gateway.market.depth(SYMBOL, None)
    await rig.passes(_A_MOMENT_S)


async def _a_part_is_filled(rig: Rig) -> None:
    await _an_entry_rests(rig)
    await _some(rig)
    assert await rig.until(lambda: [order.filled for order in rig.orders(SYMBOL)] == [_PART], _ANSWER_S)


async def _time_is_up(rig: Rig) -> None:
    await rig.passes(_TIMEOUT_S + _A_MOMENT_S)


async def _held(rig: Rig) -> None:
    await _enter(rig, SYMBOL)
    assert await rig.until(lambda: read_book(rig.book).held.keys() == {SYMBOL}, _ANSWER_S)


async def _a_part_is_held(rig: Rig) -> None:
    """The rest of its entry is cancelled, and a pair stands for what is held."""
    await _a_part_is_filled(rig)
    await _time_is_up(rig)
    await _the_rest(rig)
    await rig.until(lambda: stopped(rig.gateway.truth, SYMBOL) == _PART, _LOOK_S)


async def _a_part_is_held_since_a_bar(rig: Rig) -> None:
    """In the bar of an opening there is no other one."""
    await _a_part_is_held(rig)
    await rig.passes(_MINUTE_S)


async def _more_is_held(rig: Rig) -> None:
    """Of more value than the signal asks for: it has risen."""
    await _held(rig)
    for _ in range(3):
        rig.move(SYMBOL, "2.5")
        await rig.passes(_MINUTE_S)


async def _price_falls(rig: Rig) -> None:
    rig.move(SYMBOL, "-2")
    await rig.until(lambda: any(not order.is_buy for order in rig.orders(SYMBOL)), 70)
    await rig.passes(_A_MOMENT_S)


def _sold_by_its_bracket(rig: Rig) -> bool:
    return any(order.filled for order in rig.gateway.truth.orders if order.oca_group)


async def _price_moves(rig: Rig, percent: str) -> None:
    rig.move(SYMBOL, percent)
    await rig.until(lambda: _sold_by_its_bracket(rig), _ANSWER_S)
    await rig.passes(_A_MOMENT_S)


async def _stop_is_reached(rig: Rig) -> None:
    await _price_moves(rig, "-2")


async def _target_is_reached(rig: Rig) -> None:
    await _price_moves(rig, "3")


async def _stop_sells_a_part(rig: Rig) -> None:
    rig.gateway.market.depth(SYMBOL, _PART)
    await _stop_is_reached(rig)


async def _target_sells_a_part(rig: Rig) -> None:
    rig.gateway.market.depth(SYMBOL, _PART)
    await _target_is_reached(rig)


async def _held_and_another_entry_rests(rig: Rig) -> None:
    await _held(rig)
    rig.gateway.market.depth(OTHER, 0)
    await _enter(rig, OTHER)
    assert await rig.until(lambda: [order.is_done for order in rig.orders(OTHER)] == [False], _ANSWER_S)


async def _trades_again(rig: Rig) -> None:
    rig.gateway.market.depth(OTHER, None)


async def _flatten(rig: Rig) -> None:
    await rig.command("flatten")
    await rig.passes(_A_MOMENT_S)


async def _until_flat(rig: Rig) -> None:
    """The operator says it again when nobody has acknowledged it, and when an entry was filled before its cancel."""
    await _trades_again(rig)
    for _ in range(_LOOKS):
        book = read_book(rig.book)
        if "all" not in book.halts or not all(held.is_closing for held in book.held.values()):
            rig.fired["flattened again"] += 1
            await _flatten(rig)
        await rig.passes(_LOOK_S)


async def _shortly_before_entries_stop(rig: Rig) -> None:
    await rig.until_time(_ENTRIES_STOP.replace(minute=52, second=50))
    await _held_and_another_entry_rests(rig)
    await rig.until_time(_FLATTEN.replace(minute=53, second=58))


async def _day_ends(rig: Rig) -> None:
    await rig.until_time(_FLATTEN)
    await rig.passes(_A_MOMENT_S)


def _flat(rig: Rig) -> Iterable[str]:
    book = read_book(rig.book)
    if book.held:
        yield f"still held: {', '.join(book.held)}"
    if book.orders:
        yield f"orders still live: {', '.join(book.orders)}"


def _flat_and_proven(rig: Rig) -> Iterable[str]:
    yield from _flat(rig)
    if rig.clock.now() >= _FLATTEN.replace(minute=56) and not any("FLAT PROVEN" in line for line in rig.daemon.log):
        yield "it is not proven to be flat"


_LONG_TIMEOUT = {"signals": {"entry_timeout_s": 600}}
_CUTOFFS = {"session": {"entries_stop_min": 7, "flatten_min": 6, "flat_by_min": 4}}

_CLOSING = frozenset({Trait.PLACES, Trait.FILLS, Trait.CANCELS, Trait.RESTS})
_BRACKET = frozenset({Trait.FILLS, Trait.RESTS, Trait.PROTECTED, Trait.BRACKET})


def _bracket_exit(which: str, go: Part, *more: Trait) -> Stage:
    """A position is sold by its pair at the broker; nothing has to be asked for that."""
    return Stage(
        f"bracket exit: {which}",
        "execDetails",
        "reqExecutions",
        _BRACKET.union(more),
        prepare=_held,
        go=go,
        finish=_the_rest,
        wants=_flat,
    )


STAGES = (
    Stage(
        "place",
        "openOrder",
        "placeOrder",
        frozenset({Trait.PLACES, Trait.SENDS_PAIR}),
        prepare=_no_depth,
        go=_enter_it,
        finish=_the_rest,
    ),
    Stage(
        "fill",
        "execDetails",
        "reqExecutions",
        frozenset({Trait.FILLS, Trait.RESTS}),
        prepare=_an_entry_rests,
        go=_the_rest,
    ),
    Stage(
        "partial fill",
        "execDetails",
        "reqExecutions",
        frozenset({Trait.FILLS, Trait.RESTS, Trait.GOES_ON}),
        prepare=_an_entry_rests,
        go=_some,
        finish=_the_rest,
    ),
    Stage(
        "cancel",
        "orderStatus",
        "cancelOrder",
        frozenset({Trait.CANCELS, Trait.RESTS}),
        prepare=_an_entry_rests,
        go=_time_is_up,
        finish=_the_rest,
    ),
    Stage(
        "cancel of a rest",
        "orderStatus",
        "cancelOrder",
        frozenset({Trait.CANCELS, Trait.RESTS, Trait.ENDS_PART}),
        prepare=_a_part_is_filled,
        go=_time_is_up,
        finish=_the_rest,
    ),
    Stage(
        "protect",
        "openOrder",
        "placeOrder",
        frozenset({Trait.PLACES, Trait.PROTECTS, Trait.CANCELS, Trait.ENDS_PART}),
        prepare=_a_part_is_filled,
        go=_time_is_up,
        finish=_the_rest,
    ),
    Stage(
        "add",
        "execDetails",
        "placeOrder",
        frozenset({Trait.PLACES, Trait.FILLS, Trait.SENDS_PAIR, Trait.PROTECTED}),
        prepare=_a_part_is_held_since_a_bar,
        go=_enter_it,
    ),
    Stage(
        "reduce",
        "execDetails",
        "placeOrder",
        frozenset({Trait.PLACES, Trait.FILLS, Trait.CANCELS, Trait.PROTECTED}),
        prepare=_more_is_held,
        go=_enter_it,
        settings={"exits": {"protection": BROKER, "take_profit_pct": 50.0}, "limits": {"resize_pct": 5.0}},
    ),
    _bracket_exit("stop", _stop_is_reached),
    _bracket_exit("target", _target_is_reached),
    _bracket_exit("part of a stop", _stop_sells_a_part, Trait.GOES_ON),
    _bracket_exit("part of a target", _target_sells_a_part, Trait.GOES_ON),
    Stage(
        "EOD flatten",
        "execDetails",
        "placeOrder",
        _CLOSING | {Trait.PROTECTED},
        prepare=_shortly_before_entries_stop,
        go=_day_ends,
        finish=_trades_again,
        wants=_flat_and_proven,
        begins_at=BEFORE_THE_CLOSE,
        settings=_LONG_TIMEOUT | _CUTOFFS,
    ),
    Stage(
        "kill",
        "execDetails",
        "placeOrder",
        _CLOSING | {Trait.PROTECTED},
        prepare=_held_and_another_entry_rests,
        go=_flatten,
        finish=_until_flat,
        wants=_flat,
        halts=True,
        settings=_LONG_TIMEOUT,
    ),
)
"""With protection at the broker, as it is shipped."""

_STOP = Stage(
    "stop",
    "execDetails",
    "placeOrder",
    frozenset({Trait.PLACES, Trait.FILLS}),
    prepare=_held,
    go=_price_falls,
    wants=_flat,
)


def _by_the_daemon(stage: Stage) -> Stage:
    """The same, where the daemon itself watches for stops and targets."""
    settings = {**stage.settings, "exits": {"protection": DAEMON}}
    return stage._replace(
        name=f"{stage.name}, own exits", settings=settings, traits=stage.traits - {Trait.PROTECTED, Trait.SENDS_PAIR}
    )


OWN_EXITS = tuple(
    _by_the_daemon(stage) for stage in (_STOP, *STAGES) if stage.name in {"stop", "fill", "EOD flatten", "kill"}
)

MAIN = frozenset(
    {
        *("place", "fill", "partial fill", "cancel", "EOD flatten", "kill"),
        *("bracket exit: stop", "bracket exit: target"),
    }
)
"""Names of the stages that a normal run asks most of."""
