"""Families: which instruments move together."""

import pytest
from builders import FAMILIES, REPOSITORY

from trader.domain.family import Families, Instrument


def test_a_member_knows_its_family_side_and_leverage() -> None:
    assert FAMILIES.instrument("TQQQ") == Instrument("TQQQ", "QQQ", 3)
    assert FAMILIES.instrument("TQQQ").direction == 1
    assert FAMILIES.instrument("SQQQ").direction == -1
    assert FAMILIES.instrument("PSQ").direction == -1


def test_a_symbol_of_no_family_is_a_family_of_its_own() -> None:
    assert FAMILIES.instrument("AAPL") == Instrument("AAPL", "AAPL", 1)
    assert FAMILIES.family("AAPL").members == {"AAPL": 1}
    assert FAMILIES.family("AAPL") is FAMILIES.family("AAPL")


def test_members_are_found_by_signed_leverage() -> None:
    family = FAMILIES.family("QQQ")
    assert [family.with_leverage(leverage) for leverage in (3, 1, -1, -3, 2)] == ["TQQQ", "QQQ", "PSQ", "SQQQ", None]


def test_only_underlyings_and_singles_are_driven_by_signals() -> None:
    assert FAMILIES.drivers(["QQQ", "TQQQ", "PSQ", "SQQQ", "AAPL"]) == ("QQQ", "AAPL")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"A": {"A": 1, "X": 3}, "B": {"B": 1, "X": -3}}, "X is in two families: A, B"),
        ({"A": {"A": 1, "X": 0}}, "leverage of X is 0"),
        ({"A": {"X": 1}}, "must contain its underlying A"),
        ({"A": {"A": 3}}, "must contain its underlying A"),
    ],
)
def test_a_family_table_that_cannot_be_is_refused(table: dict[str, dict[str, int]], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Families.of(table)


def test_the_families_that_come_with_the_program_know_psq() -> None:
    """Incident 1: one version of the coordinator forgot PSQ."""
    text = (REPOSITORY / "config" / "families.toml").read_text()
    assert "PSQ = -1" in text


def test_an_option_is_a_family_of_its_own_that_no_strategy_drives() -> None:
    call = "QQQ261218C00500000"
    families = Families.of({"QQQ": {"QQQ": 1, "TQQQ": 3}})
    assert families.instrument(call) == (call, call, 1)
    assert families.drivers(["QQQ", "TQQQ", "AAPL", call]) == ("QQQ", "AAPL")
