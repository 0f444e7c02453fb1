"""What `status` says of the connection."""

from dataclasses import replace

from trader.app.connection_state import ConnectionState, read_state

OPEN = ConnectionState(
    link="open",
    epoch=3,
    since="2026-11-23T19:00:00+00:00",
    heard_s=1.0,
    last_error="",
    server_version=176,
    skew_s=-0.4,
    ib_account="DU1000001",
    bars_s=4.0,
)


def test_it_comes_over_the_socket_as_it_was() -> None:
    assert read_state(OPEN.as_answer()) == OPEN
    assert read_state({"link": "open"}) is None


def test_a_connection_that_is_whole_warns_of_nothing_and_tells_its_clock() -> None:
    assert list(OPEN.warnings(in_session=True)) == []
    assert "its clock -0.4 s beside ours" in OPEN.in_words()


def test_what_is_there_and_not_ours_is_named() -> None:
    state = replace(OPEN, foreign=["position QQQ: 10.5 shares, of which 10 are whole"])
    [warning] = state.warnings(in_session=True)
    assert warning == "at the broker and not ours, left alone: position QQQ: 10.5 shares, of which 10 are whole"
