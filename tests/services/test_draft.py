"""What a draft says of the book that it makes, in the middle of its making."""

from pathlib import Path

from builders import a_machine

from trader.domain.exit_plan import Levels
from trader.domain.order import OrderState
from trader.services.draft import Draft

LEVELS = Levels(stop_micros=9_000_000, take_profit_micros=11_000_000)


async def test_protection_of_a_symbol_is_what_lives_of_it_at_every_moment(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        draft = Draft(market.engine.book, market.now)
        assert draft.protection("QQQ") == []
        draft.protect("QQQ", 5, LEVELS)
        draft.protect("JD", 7, LEVELS)
        stop, target = draft.protection("QQQ")
        assert (stop.stop_micros, target.limit_micros) == (9_000_000, 11_000_000)
        assert draft.protected == {"QQQ", "JD"}

        draft.set_order(stop._replace(state=OrderState.CANCELLED))
        draft.set_order(target._replace(state=OrderState.WORKING))
        assert draft.protection("QQQ") == [target._replace(state=OrderState.WORKING)]

        (jd, _) = draft.protection("JD")
        draft.without({jd.ref: "refused by the database"})
        assert draft.protection("JD") == []
        assert draft.protected == {"QQQ"}
        next_draft = Draft(draft.book(), market.now)
        assert next_draft.protection("QQQ") == draft.protection("QQQ")
