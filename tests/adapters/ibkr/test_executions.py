"""Executions as fills, in whatever order they are heard."""

from builders import NOON, Sentences
from gateway import Gateway
from hypothesis import given
from hypothesis import strategies as st
from ibkr_rig import ACCOUNT, NAME, QUICK, Rig, ref

from trader.adapters.clock import SteppedClock
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.executions import Executions
from trader.adapters.ibkr.messages import Commission, Execution
from trader.domain.decision import Side
from trader.domain.events import BrokerEvent, FillReported
from trader.domain.money import micros


class _Heard:
    """Executions, and what they have told."""

    def __init__(self) -> None:
        self.events: list[BrokerEvent] = []
        self.log = Sentences()
        rig = Rig(Gateway(accounts=(ACCOUNT,)), QUICK, client_id=1)
        self.executions = Executions(
            NAME,
            Contracts(rig.connection),
            lambda fill: self.events.append(FillReported(fill)),
            SteppedClock(NOON),
            self.log,
        )

    def hear(self, id_: str, shares: str = "100", side: str = "BOT") -> None:
        """An execution comes."""
        said = Execution(
            -1, 1, 1, 1, 1, "BRK.B", "STK", "USD", id_, "20250623 11:00:00 US/Eastern", ACCOUNT, side, shares, "1.5",
            shares, ref(1),
        )  # fmt: skip
        self.executions.hear(said, ref(1))


def test_the_highest_revision_counts_in_whatever_order_they_come() -> None:
    for order in (("a.b.c.01", "a.b.c.02", "a.b.c.03"), ("a.b.c.03", "a.b.c.01", "a.b.c.02")):
        heard = _Heard()
        for id_ in order:
            heard.hear(id_, {"01": "100", "02": "60", "03": "50"}[id_[-2:]])
        assert heard.executions.filled(ref(1)) == 50


def test_different_executions_add_up() -> None:
    heard = _Heard()
    heard.hear("a.b.c.01", "40")
    heard.hear("a.b.d.01", "60")
    assert heard.executions.filled(ref(1)) == 100


def test_shares_that_are_not_whole_cannot_be_booked_and_are_told_aloud() -> None:
    for id_ in ("a.b.c.01", "a.b.c.02"):
        heard = _Heard()
        heard.hear(id_, "0.5")
        [told] = heard.events
        assert isinstance(told, FillReported)
        assert told.fill.fault
        assert not told.fill.is_bust
        assert heard.log.errors


def test_a_side_that_nobody_knows_cannot_be_booked() -> None:
    heard = _Heard()
    heard.hear("a.b.c.01", side="GIFT")
    [told] = heard.events
    assert isinstance(told, FillReported)
    assert told.fill.fault


def test_a_commission_that_cannot_be_does_not_keep_its_execution_out_of_the_book() -> None:
    heard = _Heard()
    heard.executions.hear_commission(Commission("a.b.c.01", 99_999_999_999.0, "USD"))
    heard.hear("a.b.c.01")
    [told] = heard.events
    assert isinstance(told, FillReported)
    assert told.fill.fault == ""
    assert told.fill.commission_micros == 0
    assert "COMMISSION of a.b.c.01" in heard.log.errors[0]


def test_a_fill_has_our_names() -> None:
    heard = _Heard()
    heard.hear("a.b.c.01", side="SLD")
    [told] = heard.events
    assert isinstance(told, FillReported)
    assert (told.fill.symbol, told.fill.account, told.fill.side) == ("BRK.B", NAME, Side.SELL)
    assert told.fill.fault == ""


@given(st.permutations(["execution", "cost 1", "cost 1", "cost 2"]))
def test_the_last_commission_is_the_one_that_was_told_in_whatever_order_they_come(order: list[str]) -> None:
    heard, last = _Heard(), 0
    for what in order:
        if what == "execution":
            heard.hear("a.b.c.01")
        else:
            last = micros(what[-1])
            heard.executions.hear_commission(Commission("a.b.c.01", float(what[-1]), "USD"))
    told = 0
    for event in heard.events:
        if isinstance(event, FillReported):
            told = event.fill.commission_micros
    assert told == last
    fill = heard.executions.get("a.b.c.01")
    assert fill is not None
    assert fill.commission_micros == last


def test_what_could_not_be_read_is_told_again_when_it_is_told_otherwise() -> None:
    heard = _Heard()
    for shares in ("garbage", "garbage", "100", "100"):
        heard.hear("a.b.c.01", shares)
    unreadable, whole = [event.fill for event in heard.events if isinstance(event, FillReported)]
    assert unreadable.fault
    assert (whole.quantity, whole.fault) == (100, "")
    assert heard.executions.get("a.b.c.01") == whole
    assert heard.executions.filled(ref(1)) == 100
    assert len(heard.log.errors) == 1
