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
from trader.adapters.ibkr.executions import Executions
from trader.adapters.ibkr.orders import IbkrBroker
from trader.adapters.ibkr.reports import Reports
from trader.domain.order import Order
from trader.services.exit_scanner import ExitScanner
from trader.services.inquiry import Inquiry
from trader.services.reconciliation import Reconciliation

_STAGES: dict[str, Stage] = {stage.name: stage for stage in STAGES}
_TROUBLES: dict[str, Trouble] = {trouble.name: trouble for trouble in TROUBLES}


def _lived(folder: Path, stage: str, trouble: str = "none") -> Outcome:
    outcome, _ = in_virtual_time(partial(live_through, folder, _STAGES[stage], _TROUBLES[trouble]))
    return outcome


def _sees(outcome: Outcome, beginning: str) -> bool:
    return any(violation.startswith(beginning) for violation in outcome.violations)


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
