"""The protocol's layouts: the field counts of real frames, and strictness."""

from decimal import Decimal

import pytest

from gateway.contracts import Listings
from gateway.layout import table
from gateway.layouts import ANSWERS, NEWEST, OLDEST, REQUESTS
from gateway.messages import completed_order, exec_details, open_order, order_status
from gateway.orders import Execution, Order, Terms
from gateway.request import read_request
from gateway.simulator import utc_now
from gateway.wire import Malformed, fields_of, frame, text_of


def _order() -> Order:
    return Order(
        perm_id=1,
        client_id=1,
        order_id=5,
        account="DU1",
        listing=Listings()["QQQ"],
        exchange="SMART",
        action="BUY",
        terms=Terms(100, "LMT", Decimal("499.50"), None, "DAY"),
    )


def _execution() -> Execution:
    one = Decimal(1)
    return Execution("1.2.01.01", _order(), utc_now(), 100, one, 100, one, one, one)


def test_messages_have_as_many_fields_as_real_ones() -> None:
    counts = {
        message.name: len(ANSWERS[message.name].write(message.values, OLDEST))
        for message in (
            open_order(_order()),
            order_status(_order()),
            exec_details(_execution()),
            completed_order(_order()),
        )
    }
    assert counts == {"openOrder": 136, "orderStatus": 12, "execDetails": 31, "completedOrder": 101}


def test_contract_details_have_as_many_fields_as_real_ones() -> None:
    details = {"reqId": 1, **Listings()["QQQ"].details()}
    assert len(ANSWERS["contractDetails"].write(details, OLDEST)) == 40


@pytest.mark.parametrize("version", range(OLDEST, NEWEST + 1))
def test_what_is_written_can_be_read(version: int) -> None:
    for message in (open_order(_order()), exec_details(_execution()), completed_order(_order())):
        layout = ANSWERS[message.name]
        values = layout.read(layout.write(message.values, version), version)
        assert values["symbol"] == "QQQ"
        assert values["permId"] == 1


def test_a_plain_order_has_115_fields() -> None:
    plain = REQUESTS["placeOrder"]
    known = [field for line in plain.lines if line.is_spoken(OLDEST) and not line.only_if for field in line.fields]
    assert 1 + len(known) == 115


def test_a_field_too_many_is_refused() -> None:
    with pytest.raises(Malformed, match="left over"):
        read_request(["61", "1", "surplus"], 1, OLDEST)


def test_a_field_too_few_is_refused() -> None:
    with pytest.raises(Malformed, match="ends after 3 fields, before manualCancelTime"):
        read_request(["4", "1", "17"], 1, OLDEST)


def test_a_field_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(Malformed, match=r"field 3 \(orderId\): 'x' is not a whole number"):
        read_request(["4", "1", "x", ""], 1, OLDEST)


def test_an_unknown_request_is_refused() -> None:
    with pytest.raises(Malformed, match="No request has the number '777'"):
        read_request(["777", "1"], 1, OLDEST)


@pytest.mark.parametrize("text", ["", "1.7976931348623157E308", "1.7976931348623157e+308"])
def test_an_unset_number_is_nothing(text: str) -> None:
    layouts = table("1 one\n | price:num", {})
    assert layouts["one"].read(["1", text], OLDEST) == {"price": None}


def test_a_value_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for"):
        ANSWERS["nextValidId"].write({"orderId": 1, "permId": 2}, OLDEST)


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a value for orderId"):
        ANSWERS["nextValidId"].write({}, OLDEST)


def test_a_frame_is_a_length_and_fields_with_ends() -> None:
    assert frame(["9", "1", "x"]) == b"\0\0\0\x069\x001\0x\0"
    assert fields_of(frame(["9", "1", ""])[4:]) == ["9", "1", ""]


def test_numbers_are_written_plainly() -> None:
    assert [text_of(value) for value in (Decimal("100.00"), Decimal("1E+3"), Decimal("0.010"), True, None, 7)] == [
        "100",
        "1000",
        "0.01",
        "1",
        "",
        "7",
    ]
