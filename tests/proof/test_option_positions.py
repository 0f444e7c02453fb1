"""Options and the whole daemon: what happens to shares when a process dies, a stop is touched or a day ends, happens to
contracts alike, and shares of their underlying stay as they are.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from proof.book_file import read_book
from proof.exits import stopped
from proof.in_process import TaskDaemon
from proof.rig import ACCOUNT, Rig, a_rig
from proof.stages import AFTERNOON
from proof.truth import differences
from proof.virtual_time import in_virtual_time

CALL = "QQQ261218C00500000"
_NEVER_TRADED = "QQQ261120C00500000"
"""It has expired on the Friday before."""
_LAST_DAY = datetime(2026, 12, 18, 20, 40, tzinfo=UTC)
_A_BAR_S = 125.0
"""Until an option has prices: there is no past of it."""
_SYMBOLS = {"kind": "ibkr", "symbols": ["AAPL", "MSFT", "QQQ   261218C00500000", _NEVER_TRADED]}


@asynccontextmanager
async def an_option_rig(
    folder: Path, daemon: TaskDaemon, begins_at: datetime = AFTERNOON, **given: object
) -> AsyncIterator[Rig]:
    """The daemon holds shares of QQQ, and a call on it has a price of 4.00."""
    async with a_rig(folder, begins_at, daemon, {"feed": _SYMBOLS, **given}) as rig:
        daemon.by(rig.clock)
        rig.gateway.market.list_option(CALL)
        rig.prices[CALL] = rig._drawn[CALL] = Decimal("4.00")
        await rig.start()
        await rig.passes(5)
        await rig.signal("QQQ", 0.8)
        await rig.passes(_A_BAR_S)
        yield rig


def held(rig: Rig) -> dict[str, int]:
    """As the book has it."""
    return {symbol: one.shares for symbol, one in read_book(rig.book).held.items()}


def test_a_daemon_that_is_killed_while_its_order_works_books_what_it_has_bought(tmp_path: Path) -> None:
    async def killed() -> None:
        daemon = TaskDaemon()
        async with an_option_rig(tmp_path, daemon) as rig:
            shares = held(rig)["QQQ"]
            rig.gateway.market.depth(CALL, 0)
            answer = await rig.signal(CALL, 0.9)
            assert answer is not None
            assert answer["outcome"] == "ordered", answer
            await rig.passes(2)
            daemon.kill()
            await daemon.is_buried()
            rig.gateway.market.depth(CALL, None)
            await rig.start()
            await rig.passes(90)
            contracts = held(rig)[CALL]
            assert contracts > 0
            assert rig.gateway.truth.positions(ACCOUNT) == {"QQQ": shares, CALL: contracts}
            assert await differences(rig) == []
            assert [line for line in daemon.log if line.startswith(f"EXPIRED {_NEVER_TRADED}")]
            shown = {(one.text("secType"), one.text("whatToShow")) for one in rig.gateway.asked("reqRealTimeBars")}
            assert shown == {("STK", "TRADES"), ("OPT", "MIDPOINT")}

    in_virtual_time(killed)


def test_its_stop_at_the_broker_sells_it_while_nobody_runs_here(tmp_path: Path) -> None:
    async def alone() -> None:
        daemon = TaskDaemon()
        async with an_option_rig(tmp_path, daemon) as rig:
            shares = held(rig)["QQQ"]
            await rig.signal(CALL, 0.9)
            await rig.passes(30)
            assert await differences(rig) == []
            daemon.kill()
            await daemon.is_buried()
            rig.move(CALL, "-60")
            await rig.passes(30)
            assert rig.gateway.truth.positions(ACCOUNT) == {"QQQ": shares}
            await rig.start()
            await rig.passes(60)
            assert held(rig) == {"QQQ": shares}
            assert await differences(rig) == []

    in_virtual_time(alone)


def test_the_daemons_own_exit_sells_the_option_and_no_share(tmp_path: Path) -> None:
    async def watched() -> None:
        daemon = TaskDaemon()
        async with an_option_rig(tmp_path, daemon, exits={"protection": "daemon"}) as rig:
            shares = held(rig)["QQQ"]
            await rig.signal(CALL, 0.9)
            await rig.passes(30)
            contracts = held(rig)[CALL]
            rig.move(CALL, "-60")
            await rig.passes(200)
            assert held(rig) == rig.gateway.truth.positions(ACCOUNT) == {"QQQ": shares}
            [sale] = [order for order in rig.orders(CALL) if not order.is_buy]
            assert (sale.listing.symbol, sale.quantity) == (CALL, contracts)
            assert await differences(rig) == []

    in_virtual_time(watched)


def test_what_may_be_held_overnight_is_sold_before_its_last_trading_day_ends(tmp_path: Path) -> None:
    """Bought at 15:42 New York time; entries stop at 15:45, everything else goes from 15:50 on."""

    async def last_day() -> None:
        daemon = TaskDaemon()
        options = {"overnight": True, "days_to_expiry": 0}
        async with an_option_rig(tmp_path, daemon, _LAST_DAY, options=options) as rig:
            await rig.signal(CALL, 0.9)
            await rig.passes(30)
            assert held(rig)[CALL] > 0
            await rig.until_time(datetime(2026, 12, 18, 20, 49, tzinfo=UTC))
            assert CALL not in held(rig)
            assert "QQQ" in held(rig)
            assert await differences(rig) == []

    in_virtual_time(last_day)


def test_what_is_held_overnight_keeps_its_stop_at_the_broker(tmp_path: Path) -> None:
    """The contracts stay behind an order that is good until it is cancelled; the shares are sold with the session."""

    async def overnight() -> None:
        daemon = TaskDaemon()
        before_the_close = datetime(2026, 11, 23, 20, 40, tzinfo=UTC)
        async with an_option_rig(tmp_path, daemon, before_the_close, options={"overnight": True}) as rig:
            await rig.signal(CALL, 0.9)
            await rig.passes(30)
            contracts = held(rig)[CALL]
            await rig.until_time(datetime(2026, 11, 23, 21, 5, tzinfo=UTC))
            await daemon.stop()
            assert rig.gateway.truth.positions(ACCOUNT) == {CALL: contracts}
            assert stopped(rig.gateway.truth, CALL) == contracts
            [stop] = [order for order in rig.gateway.truth.live() if order.terms.order_type == "STP"]
            assert (stop.listing.symbol, stop.terms.tif, stop.quantity) == (CALL, "GTC", contracts)

    in_virtual_time(overnight)
