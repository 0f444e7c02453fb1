"""The drills: each is caught by the configuration that a newcomer has, and not caught once what catches it is gone.

What is played is in `trader/app/drills`, which `trader drill` plays too.
"""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from builders import CONFIGURATION

from trader.app.drills import knight
from trader.app.drills.catalogue import DRILLS, chosen, play
from trader.app.drills.counterparty import Counterparty
from trader.app.drills.drill import Drill, Ended, Verdict
from trader.app.drills.evidence import Kind
from trader.app.settings import load_settings
from trader.domain.breaker import Breaker
from trader.domain.decision import Allocation, Intent
from trader.domain.family import Families
from trader.domain.order import Order
from trader.domain.portfolio import Portfolio
from trader.pipeline.coordinate import Coordination


def played(name: str, **sections: object) -> Ended:
    """Play one drill against the newcomer's configuration with these sections over it."""
    [drill] = chosen(name)
    return play(drill, load_settings(CONFIGURATION, **sections), lambda: None)


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_the_newcomers_configuration_catches_every_drill(drill: Drill) -> None:
    end = played(drill.name)
    assert end.verdict is Verdict.CAUGHT, end
    assert end.by is not None
    assert end.by.stage
    assert end.by.rule


def test_what_caught_it_is_told_with_what_was_measured_and_after_how_many_orders() -> None:
    end = played("runaway")
    assert end.by is not None
    assert (end.by.kind, end.by.rule) == (Kind.BREAKER, "losses_in_a_row")
    assert end.by.measured is not None
    assert end.by.limit is not None
    assert end.by.measured >= end.by.limit
    assert 0 < end.orders <= 41
    assert 0 < end.at_risk_usd <= 100_000
    assert end.by.rule in {catch.rule for catch in end.noticed}


# -- limits that are absurdly wide ----------------------------------------------------------------------------------

_OFF = {breaker.value: {"enabled": False} for breaker in Breaker}
_WIDER: tuple[tuple[dict[str, float], str], ...] = (
    ({"creations_per_hour": 1_000_000, "regular_creations": 1_000_000}, "openings_per_day"),
    ({"openings_per_day": 1_000_000}, "daily_notional"),
    ({"daily_notional_pct": 100_000}, "day_loss"),
)


@pytest.mark.parametrize("place", range(len(_WIDER)))
def test_where_a_limit_is_absurd_the_next_protection_catches_the_runaway(place: int) -> None:
    limits: dict[str, float] = {}
    for widened, _ in _WIDER[: place + 1]:
        limits.update(widened)
    end = played("runaway", limits=limits, breakers=_OFF)
    assert end.by is not None
    assert end.by.rule == _WIDER[place][1]


def test_where_a_breaker_is_off_the_next_one_catches_the_runaway() -> None:
    end = played("runaway", breakers={"losses_in_a_row": {"enabled": False}})
    assert end.by is not None
    assert (end.by.kind, end.by.rule) == (Kind.BREAKER, "creations_per_hour")


def test_where_every_limit_is_absurd_a_breaker_catches_the_runaway() -> None:
    limits: dict[str, float] = {}
    for widened, _ in _WIDER:
        limits.update(widened)
    end = played("runaway", limits=limits)
    assert end.by is not None
    assert end.by.kind is Kind.BREAKER
    assert end.verdict is Verdict.CAUGHT


def test_where_every_limit_is_absurd_and_every_breaker_off_nothing_catches_the_runaway(tmp_path: Path) -> None:
    limits: dict[str, float] = {"day_loss_pct": 100_000}
    for widened, _ in _WIDER:
        limits.update(widened)
    families = tmp_path / "families.toml"
    families.write_text("[QQQ]\nQQQ = 1\nSQQQ = -3\n")
    end = played("runaway", limits=limits, breakers=_OFF, families={"file": families})
    assert end.verdict is Verdict.NOT_CAUGHT
    assert end.by is None
    assert end.orders > 500
    assert "nothing stopped it until the session did" in end.happened


def test_a_version_guard_that_is_set_to_let_entries_go_does_not_catch() -> None:
    end = played("knight-versions", version={"stops_entries": False})
    assert end.verdict is Verdict.NOT_CAUGHT
    assert end.orders > 0


def test_where_the_leave_level_is_no_hysteresis_the_opinion_is_not_kept() -> None:
    end = played("churn", thresholds={"enter_1x": 0.75, "leave_1x": 0.7499, "enter_3x": 0.9, "leave_3x": 0.8})
    assert end.orders > 1
    assert end.by is None or end.by.kind is not Kind.UNCHANGED


def test_a_limit_of_nothing_catches_before_anything_is_ordered() -> None:
    end = played("lost-exits", limits={"open_positions": 0})
    assert end.verdict is Verdict.CAUGHT
    assert end.by is not None
    assert (end.by.rule, end.orders) == ("open_positions", 0)


def test_without_an_inverse_member_a_conflict_is_not_played(tmp_path: Path) -> None:
    families = tmp_path / "families.toml"
    families.write_text("[QQQ]\nQQQ = 1\nTQQQ = 3\n")
    assert played("conflict", families={"file": families}).verdict is Verdict.NOT_PLAYED


@pytest.mark.parametrize("name", ["overnight", "own-strategy"])
def test_where_everything_may_stay_overnight_no_close_is_claimed(name: str) -> None:
    end = played(name, exits={"protection": "broker", "overnight": True})
    assert end.verdict is Verdict.NOT_PLAYED
    assert "may be held overnight" in end.happened


def test_what_may_stay_overnight_is_not_told_as_flat() -> None:
    stays = {"stop_pct": 1.4, "take_profit_pct": 2.1, "overnight": True}
    end = played("overnight", exits={"protection": "broker", "symbols": {"TQQQ": stays}})
    assert end.verdict is Verdict.CAUGHT
    assert end.by is not None
    assert end.by.rule == "eod"
    assert "but for what may stay overnight (" in end.happened
    assert "TQQQ" in end.happened


@pytest.mark.parametrize(("name", "rule", "said"), [("overnight", "eod", "eod"), ("lost-exits", "stop", "protection")])
def test_with_protection_at_the_broker_what_acted_is_told_and_not_what_stood_there(
    name: str, rule: str, said: str
) -> None:
    end = played(name, exits={"protection": "broker"})
    assert end.verdict is Verdict.CAUGHT
    assert end.by is not None
    assert (end.by.rule, end.by.said) == (rule, f"purpose {said}")
    if rule == "stop":
        assert end.by.measured is not None
        assert end.by.limit is not None
        assert end.by.measured <= end.by.limit


# -- the protections, taken out -------------------------------------------------------------------------------------


def _heedless(allocation: Allocation, families: Families, portfolio: Portfolio, now: datetime) -> Coordination:
    """The coordinator taken out: what is wanted is bought, whatever else is held or working."""
    del now
    wanted = allocation.symbol
    if wanted is None or wanted in portfolio.locks:
        return Coordination()
    return Coordination(
        intent=Intent(allocation.signal, allocation.family, wanted, families.instrument(wanted).direction)
    )


def test_without_the_coordinator_the_conflict_is_caught_by_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.pipeline.decide.coordinate", _heedless)
    end = played("conflict")
    assert end.verdict is Verdict.CAUGHT
    assert end.by is not None
    assert (end.by.stage, end.by.rule) == ("lock", "family_locked")


def _nothing(*_: object) -> None:
    """Stands in for a protection that is taken out."""


_TAKEN_OUT = {
    "overnight": ("trader.services.exit_scanner.closing_time", _nothing),
    "lost-exits": ("trader.services.exit_scanner.touched", _nothing),
    "knight-versions": ("trader.services.gate.Gate.refusal", _nothing),
    "no-answer": ("trader.services.gate.Gate.refusal", _nothing),
    "knight-orders": ("trader.services.draft.Draft.halt", _nothing),
    "knight-alarms": ("trader.services.telling._unheard_since", _nothing),
}


@pytest.mark.parametrize("name", _TAKEN_OUT)
def test_without_its_protection_a_drill_is_not_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*_TAKEN_OUT[name])
    assert played(name).verdict is Verdict.NOT_CAUGHT


def test_a_backup_that_is_copied_over_the_book_is_found_by_the_next_look_at_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`trader restore` halts entries; who copies files by hand has the reconciliation left."""

    def copied(db: Path, backup: Path, operator: str) -> None:
        del operator
        for suffix in ("-wal", "-shm"):
            db.with_name(db.name + suffix).unlink(missing_ok=True)
        shutil.copy2(backup, db)

    monkeypatch.setattr(knight, "restore", copied)
    end = played("knight-rollback")
    assert end.verdict is Verdict.CAUGHT
    assert end.by is not None
    assert end.by.stage != "halt" or "restored" not in end.by.said


# -- what leaves, and what the book intends --------------------------------------------------------------------------

_PLACE = Counterparty.place


def _twice(broker: Counterparty, order: Order, protection: Sequence[Order] = ()) -> None:
    """The line to the broker stutters."""
    _PLACE(broker, order, protection)
    _PLACE(broker, order)


def _larger(broker: Counterparty, order: Order, protection: Sequence[Order] = ()) -> None:
    """More is asked for than was decided."""
    _PLACE(broker, order._replace(quantity=order.quantity + 1), protection)


def _another(broker: Counterparty, order: Order, protection: Sequence[Order] = ()) -> None:
    """Nobody has written this one down."""
    _PLACE(broker, order._replace(ref=f"{order.ref}X"), protection)


@pytest.mark.parametrize(
    ("place", "said"),
    [(_twice, "left twice"), (_larger, "left as another order"), (_another, "left before the book had it")],
)
def test_no_drill_is_caught_where_an_order_leaves_that_the_book_has_not_intended(
    place: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counterparty, "place", place)
    end = played("duplicate-buys")
    assert end.verdict is Verdict.NOT_CAUGHT
    assert said in end.happened


def test_protection_that_the_book_has_not_intended_is_heard_leaving_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def protected(broker: Counterparty, order: Order, protection: Sequence[Order] = ()) -> None:
        _PLACE(broker, order, [child._replace(quantity=child.quantity + 1) for child in protection])

    monkeypatch.setattr(Counterparty, "place", protected)
    end = played("lost-exits", exits={"protection": "broker"})
    assert end.verdict is Verdict.NOT_CAUGHT
    assert "left as another order" in end.happened


def test_luck_is_no_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ordered and nothing has refused it either: nothing was shown."""
    monkeypatch.setattr("trader.app.drills.rehearsal.Scripted.on_bar", lambda *_: ())
    end = played("knight-fills")
    assert end.verdict is Verdict.NOT_CAUGHT
    assert "no protection has acted" in end.happened
