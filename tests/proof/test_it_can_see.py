"""A proof that cannot fail proves nothing: with a protection taken out, each kind of difference is seen."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proof.matrix import Outcome, live_through
from proof.stages import STAGES, Stage
from proof.troubles import TROUBLES, Trouble
from proof.virtual_time import in_virtual_time
from trader.adapters.ibkr import orders
from trader.adapters.ibkr.connection import Connection
from trader.adapters.ibkr.executions import Executions
from trader.adapters.ibkr.orders import IbkrBroker
from trader.adapters.ibkr.reports import Reports
from trader.adapters.ibkr.translate import wire_order
from trader.domain.events import OrderCancelled
from trader.domain.order import Order
from trader.services.exit_scanner import ExitScanner
from trader.services.inquiry import Inquiry
from trader.services.protecting import Protecting
from trader.services.reconciliation import Reconciliation

_STAGES: dict[str, Stage] = {stage.name: stage for stage in STAGES}
_TROUBLES: dict[str, Trouble] = {trouble.name: trouble for trouble in TROUBLES}


def _lived(folder: Path, stage: str, trouble: str = "none") -> Outcome:
    outcome, _ = in_virtual_time(partial(live_through, folder, _STAGES[stage], _TROUBLES[trouble]))
    return outcome


def _sees(outcome: Outcome, beginning: str) -> bool:
    return any(violation.startswith(beginning) for violation in outcome.violations)


def _sees_in(outcome: Outcome, words: str) -> bool:
    return any(words in violation for violation in outcome.violations)


def _nothing(*_: object, **__: object) -> None:
    """What was here is taken out."""


def test_an_order_that_is_sent_twice_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = IbkrBroker.place

    def twice(broker: IbkrBroker, order: Order, protection: Sequence[Order] = ()) -> None:
        place(broker, order)
        broker._tracking._by_ref.pop(order.ref, None)
        place(broker, order, protection)

    monkeypatch.setattr(IbkrBroker, "place", twice)
    assert _sees(_lived(tmp_path, "place"), "order paper-")


def test_an_execution_that_is_not_booked_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IbkrBroker, "_executed", _nothing)
    assert _sees(_lived(tmp_path, "fill"), "execution ")


def test_a_commission_that_is_not_booked_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Executions, "hear_commission", _nothing)
    assert _sees(_lived(tmp_path, "fill"), "cash: ")


def test_an_order_that_lives_on_one_side_alone_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reports, "_cancelled", _nothing)
    monkeypatch.setattr(Reports, "_look_for_end", _nothing)
    monkeypatch.setattr(Inquiry, "hear", _nothing)
    assert _sees(_lived(tmp_path, "cancel"), "live orders: ")


def test_a_position_without_a_watch_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExitScanner, "_look", lambda *_: "not looked at")
    assert _sees(_lived(tmp_path, "fill"), "QQQ is held and not protected")


def test_a_position_without_a_stop_at_the_broker_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protecting, "_add", _nothing)
    assert _sees(_lived(tmp_path, "protect"), "QQQ: stops at the broker sell 0 of 40 held")


def test_a_pair_of_which_both_would_sell_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(order: Order, account: str) -> object:
        wired = wire_order(order, account)
        wired.ocaGroup = ""
        return wired

    monkeypatch.setattr(orders, "wire_order", alone)
    assert _sees_in(_lived(tmp_path, "protect"), "QQQ: exits ask for 80 shares of 40 held")


def test_an_exit_beside_protection_that_lives_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_believed_done(broker: IbkrBroker, order_ref: str) -> None:
        broker._tell(OrderCancelled(order_ref, "it was asked"))

    monkeypatch.setattr(IbkrBroker, "cancel", is_believed_done)
    assert _sees_in(_lived(tmp_path, "kill"), "QQQ: exits ask for 298 shares of 0 held")


def test_a_daemon_that_ends_by_itself_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gives_up(*_: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Connection, "_back_off", gives_up)
    assert _sees(_lived(tmp_path, "fill", "reset"), "the daemon has ended by itself")


def test_shares_that_nobody_knows_of_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reconciliation, "_differ", _nothing)
    assert _sees(_lived(tmp_path, "fill", "trade by hand elsewhere"), "position MSFT")


def test_a_gate_that_stays_closed_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Callable[..., Coroutine[Any, Any, object]] = IbkrBroker.evidence

    async def never_after_the_first(broker: IbkrBroker, refs: object) -> object:
        told = await answer(broker, refs)
        return told if broker._connection.standing.epoch == 1 else told._replace(positions=None)  # type: ignore[attr-defined]

    monkeypatch.setattr(IbkrBroker, "evidence", never_after_the_first)
    assert _sees(_lived(tmp_path, "fill", "reset"), "entries do not leave")
