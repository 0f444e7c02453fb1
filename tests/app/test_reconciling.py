"""`trader reconcile` shows what a person has to look at, with its evidence, until that is done."""

import json
from pathlib import Path

from builders import Market, a_fill, a_machine
from replayed_book import trader

from trader.adapters.paper.broker import Treatment
from trader.domain.events import CommandName, OrderIdentified

FIRST = "paper-1-0001"


def reconciled(market: Market) -> tuple[int, list[dict[str, object]]]:
    """Exit code and rows of the program."""
    answer = trader("reconcile", "--db", str(market.path), "--json")
    return answer.code, json.loads(answer.out)


async def test_two_orders_under_one_reference_are_shown_with_their_ids_until_somebody_has_looked(
    tmp_path: Path,
) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(10,))) as market:
        await market.bar({"JD": 0.9})
        await market.handle(OrderIdentified(FIRST, 71))
        await market.bar()
        await market.handle(OrderIdentified(FIRST, 99))
        code, [row] = reconciled(market)
        assert code == 4
        assert (row["what"], row["book"], row["broker"]) == (f"order {FIRST}", 71, 99)
        assert f"two orders under {FIRST}, permIds 71 and 99" in str(row["difference"])
        assert "is cancelled with 10 filled" in str(row["difference"])
        assert "`trader resume --symbol JD" in str(row["way_out"])
        await market.command(CommandName.RESUME, "symbol", "JD")
        assert reconciled(market) == (0, [])


async def test_an_execution_that_cannot_be_booked_is_shown_until_it_is(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        await market.command(CommandName.HALT)
        whole = a_fill("JD", 10, 30.0, order_ref=FIRST, execution_id="odd", at=market.now)
        await market.report(whole._replace(price_micros=0))
        code, [row] = reconciled(market)
        assert (code, row["what"]) == (4, "execution odd")
        assert f"its order {FIRST} is working with 0 filled" in str(row["difference"])
        await market.wait(1)
        await market.report(whole)
        assert reconciled(market) == (0, [])
