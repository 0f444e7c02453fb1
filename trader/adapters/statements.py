"""Activity statements of Interactive Brokers, as CSV: the cash in them that came or went otherwise than by trading.

A line is `Section,Header|Data,field,...`; a section says its columns before its data, and may do so again. Only US
dollars of the one account are read; what is in another currency, or of another account of a consolidated statement, is
listed.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from trader.domain.cash import CashKind
from trader.domain.errors import DataError
from trader.domain.money import dollars, micros

_SECTIONS: Mapping[str, CashKind | None] = {
    "Deposits & Withdrawals": None,
    "Dividends": CashKind.DIVIDEND,
    "Interest": CashKind.INTEREST,
    "Fees": CashKind.FEE,
    "Withholding Tax": CashKind.TAX,
}
"""None: its sign says which kind."""
_DATES = ("Settle Date", "Date")
_LONGEST_TEXT = 200
_AMOUNT = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", re.ASCII)
"""As Interactive Brokers writes it in every language: 1,234.56."""


class Movement(NamedTuple):
    """Cash that has moved."""

    name: str
    """Its identity: day, kind, amount and a hash of its text; numbered where a day has several of one kind."""
    day: date
    kind: CashKind
    amount_micros: int
    text: str


class Statement(NamedTuple):
    """One file."""

    movements: tuple[Movement, ...]
    foreign: tuple[str, ...]
    """Of other currencies and accounts: left out, in words."""


def read_statement(path: Path, account: str = "") -> Statement:
    """Read a statement of an account, by IB's name of it; of any where it has no name.

    Raises DataError, with the line, for what it does not understand, and for a statement of another account.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read the statement {path}: {error.strerror}") from error
    except UnicodeError as error:
        raise DataError(
            f"cannot read the statement {path}: it is no text; save it as CSV in the broker's portal (Performance & "
            f"Reports, Statements, Activity)"
        ) from error
    movements: list[Movement] = []
    foreign: list[str] = []
    times: Counter[str] = Counter()
    for line, section, fields in _data(path, text, account):
        of_account = fields.get("Account", "")
        if fields["Currency"] != "USD" or not _is_named(account, of_account):
            of = f" of {of_account}" if of_account else ""
            foreign.append(f"line {line}: {section}, {fields['Currency']} {fields['Amount']}{of}")
            continue
        try:
            movement = _movement(section, fields)
        except ValueError as error:
            raise DataError(
                f"{path}, line {line}: {error}; take the statement as the broker gives it, in CSV"
            ) from None
        times[movement.name] += 1
        if times[movement.name] > 1:
            movement = movement._replace(name=f"{movement.name} #{times[movement.name]}")
        if movement.amount_micros:
            movements.append(movement)
    return Statement(tuple(movements), tuple(foreign))


def _is_named(account: str, name: str) -> bool:
    """Whether a name in a statement can be the account's: `U1234567`, `U***4567 (Custom Consolidated)`, or nothing."""
    return not account or not name or fnmatchcase(account, name.partition(" ")[0])


def _data(path: Path, text: str, account: str) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Line number, section and fields of every row that moves cash; sums are left out."""
    columns: dict[str, list[str]] = {}
    for line, (section, kind, *cells) in _rows(path, text):
        if section == "Account Information" and cells[0] == "Account" and not _is_named(account, cells[-1]):
            raise DataError(f"{path} is a statement of {cells[-1]}, not of {account}: take one of that account")
        if kind == "Header":
            columns[section] = cells
            if section in _SECTIONS and not {"Currency", "Amount", "Description"} <= set(cells):
                raise DataError(f"{path}, line {line}: {section} has no Currency, Amount and Description")
        elif kind == "Data" and section in _SECTIONS and not _is_a_sum(cells):
            if section not in columns:
                raise DataError(f"{path}, line {line}: {section} has no header before its data")
            fields = dict(zip(columns[section], cells, strict=False))
            if len(cells) < len(columns[section]):
                raise DataError(f"{path}, line {line}: {section} has fewer fields than its header says")
            yield line, section, fields
    if "Statement" not in columns and not columns.keys() & _SECTIONS.keys():
        raise DataError(f"{path} is no activity statement: it has no section Statement, and none that moves cash")


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that has a section, a kind and something in it."""
    rows = csv.reader(text.splitlines())
    try:
        for row in rows:
            if len(row) > 2:
                yield rows.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}; this is no CSV of the broker") from None


def _is_a_sum(cells: list[str]) -> bool:
    """`Total`, `Total in USD`, `Total Dividends in USD`; of fees it stands in the second column."""
    return any(cell.startswith("Total") for cell in cells[:2])


def _movement(section: str, fields: Mapping[str, str]) -> Movement:
    """Raises ValueError."""
    if not _AMOUNT.fullmatch(fields["Amount"]):
        raise ValueError(f"not an amount in dollars such as -1,234.56: {fields['Amount'][:40]!a}")
    amount_micros = micros(fields["Amount"].replace(",", ""))
    kind = _SECTIONS[section] or (CashKind.DEPOSIT if amount_micros >= 0 else CashKind.WITHDRAWAL)
    written = next((fields[name] for name in _DATES if name in fields), "")
    day = date.fromisoformat(written.partition(",")[0].strip())
    text = "".join(letter if letter.isprintable() else " " for letter in fields["Description"]).strip()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    name = f"{day} {kind} {dollars(amount_micros):f} {digest}"
    return Movement(name, day, kind, amount_micros, text[:_LONGEST_TEXT] or kind.value)
