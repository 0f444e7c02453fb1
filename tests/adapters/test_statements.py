"""An activity statement in CSV: what moved cash otherwise than by trading, each with an identity."""

from datetime import date
from pathlib import Path

import pytest

from trader.adapters.statements import read_statement
from trader.domain.cash import CashKind
from trader.domain.errors import DataError
from trader.domain.money import micros

STATEMENT = Path(__file__).with_name("statement.csv")
DEPOSITS = "Deposits & Withdrawals,Header,Currency,Settle Date,Description,Amount\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "statement.csv"
    path.write_text(text, "utf-8")
    return path


def test_what_moves_cash_is_read_and_neither_trades_nor_sums() -> None:
    movements = read_statement(STATEMENT).movements
    assert [(movement.day.day, movement.kind, movement.amount_micros) for movement in movements] == [
        (25, CashKind.FEE, micros("-1.5")),
        (25, CashKind.FEE, micros("-1.5")),
        (24, CashKind.DEPOSIT, micros(10_000)),
        (26, CashKind.WITHDRAWAL, micros("-250.25")),
        (20, CashKind.DEPOSIT, micros(5_000)),
        (26, CashKind.DIVIDEND, micros("5.91")),
        (26, CashKind.TAX, micros("-0.89")),
        (27, CashKind.INTEREST, micros("3.1")),
    ]
    assert movements[0].day == date(2025, 6, 25)
    assert movements[3].text == "Disbursement, initiated by hand"


def test_what_is_in_another_currency_is_listed() -> None:
    assert read_statement(STATEMENT).foreign == ("line 13: Deposits & Withdrawals, EUR 100",)


def test_each_movement_has_an_identity_of_its_own_and_always_the_same() -> None:
    names = [movement.name for movement in read_statement(STATEMENT).movements]
    assert len(set(names)) == len(names)
    assert names == [movement.name for movement in read_statement(STATEMENT).movements]
    assert names[1] == f"{names[0]} #2"
    assert names[2].startswith("2025-06-24 deposit 10000 ")


@pytest.mark.parametrize("changed", ["2025-06-25,Transfer,100", "2025-06-24,Another,100", "2025-06-24,Transfer,100.01"])
def test_another_day_text_or_amount_is_another_movement(tmp_path: Path, changed: str) -> None:
    rows = "Deposits & Withdrawals,Data,USD,2025-06-24,Transfer,100\nDeposits & Withdrawals,Data,USD," + changed
    one, other = read_statement(written(tmp_path, DEPOSITS + rows)).movements
    assert "#" not in one.name + other.name
    assert one.name != other.name


def test_a_statement_of_a_longer_time_has_the_same_identities(tmp_path: Path) -> None:
    longer = STATEMENT.read_text().replace(
        "Interest,Data,Total", "Interest,Data,USD,2025-07-03,USD Credit Interest,4\nInterest,Data,Total"
    )
    names = {movement.name for movement in read_statement(STATEMENT).movements}
    assert names < {movement.name for movement in read_statement(written(tmp_path, longer)).movements}


def test_a_byte_order_mark_and_cells_that_cannot_be_printed_do_no_harm(tmp_path: Path) -> None:
    rows = "\ufeff" + DEPOSITS + "Deposits & Withdrawals,Data,USD,2025-06-24,Tr\x07ansfer" + "x" * 300 + ",100"
    [movement] = read_statement(written(tmp_path, rows)).movements
    assert movement.text.isprintable()
    assert len(movement.text) == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no activity statement"),
        ("timestamp,open,close\n2025-06-24,1,2\n", "no activity statement"),
        ("Dividends,Data,USD,2025-06-24,x,1\n", "line 1: Dividends has no header"),
        ("Dividends,Header,Currency,Date,Amount\n", "line 1: Dividends has no Currency, Amount and Description"),
        (DEPOSITS + "Deposits & Withdrawals,Data,USD,2025-06-24\n", "line 2: .* fewer fields"),
        (DEPOSITS + "Deposits & Withdrawals,Data,USD,2025-06-24,x,much\n", "line 2: not an amount"),
        (DEPOSITS + "Deposits & Withdrawals,Data,USD,2025-06-24,x,NaN\n", "line 2: not an amount"),
        (DEPOSITS + "Deposits & Withdrawals,Data,USD,24/06/2025,x,1\n", "line 2: .*24/06/2025"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_statement(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the statement .*nowhere"):
        read_statement(tmp_path / "nowhere")


def test_what_is_no_text_is_refused_with_the_way_to_one(tmp_path: Path) -> None:
    (tmp_path / "statement.csv").write_bytes(b"\x00\xff\xfe garbage")
    with pytest.raises(DataError, match=r"it is no text; save it as CSV"):
        read_statement(tmp_path / "statement.csv")


def test_a_folder_is_no_statement(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r": Is a directory$"):
        read_statement(tmp_path)


@pytest.mark.parametrize("amount", ['"1.234,56"', "1_000", "1e5", "1e25", "(100)", "\u0661\u0662", "nan", "1 000", ""])
def test_an_amount_that_is_written_otherwise_than_the_broker_does_is_refused(tmp_path: Path, amount: str) -> None:
    row = f"Deposits & Withdrawals,Data,USD,2025-06-24,Wire,{amount}"
    with pytest.raises(DataError, match=r"line 2: not an amount in dollars such as -1,234\.56"):
        read_statement(written(tmp_path, DEPOSITS + row))


def test_what_is_no_csv_is_refused_with_its_line(tmp_path: Path) -> None:
    row = f"Deposits & Withdrawals,Data,USD,2025-06-24,{'W' * 200_000},1"
    with pytest.raises(DataError, match="line 2"):
        read_statement(written(tmp_path, DEPOSITS + row))


@pytest.mark.parametrize("name", ["DU1000001", "DU***0001", "DU1000001 (Custom Consolidated)"])
def test_a_statement_is_of_the_account_that_it_names(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"Account Information,Data,Account,{name}\n{DEPOSITS}")
    assert read_statement(path, "DU1000001").movements == ()
    with pytest.raises(DataError, match="not of DU2000002: take one of that account"):
        read_statement(path, "DU2000002")


def test_of_a_consolidated_statement_only_the_account_is_read(tmp_path: Path) -> None:
    rows = "Interest,Header,Currency,Account,Date,Description,Amount\n"
    rows += "Interest,Data,USD,U1,2025-06-24,Credit,1\nInterest,Data,USD,U2,2025-06-24,Credit,2\n"
    statement = read_statement(written(tmp_path, rows), "U2")
    assert [movement.amount_micros for movement in statement.movements] == [micros(2)]
    assert statement.foreign == ("line 2: Interest, USD 1 of U1",)
