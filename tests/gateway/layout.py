"""How a layout is written down, and how a message is written and read by it.

A table of layouts is text. A message opens with its number and its name at the margin; each line below it holds
fields in the order of the wire, behind a bar. What stands before the bar says when the line is there:

    5 example
               | version=1 orderId:int {contract}     always; {contract} stands for a group of fields
        <177   | faProfile?                           up to server version 176
        183+   | customerAccount?                     from server version 183 on
        187-189| rfq?                                 between the two, both included
        if hedgeType | hedgeParam                     when that field was not empty (and not zero)
        if secType=BAG | legs:none                    when that field had this value
        each bars | date open:num                     a count, then so many times these fields

Conditions joined by commas hold together. A field is `name`, `name:kind`, `name=value` (written so unless it is
given) or `name?` (written empty unless it is given). The number of a message is its first field and is not listed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from gateway.wire import READERS, Cell, Malformed, text_of

Row = Mapping[str, Cell]
Values = Mapping[str, Cell | Sequence[Row]]

_HEAD = re.compile(r"^(-?\d+) (\w+)$")
_FIELD = re.compile(r"^(\w+)(?::(\w+))?(?:=(\S*)|(\?))?$")
_SINCE = re.compile(r"^(\d+)\+$")
_UNTIL = re.compile(r"^<(\d+)$")
_WITHIN = re.compile(r"^(\d+)-(\d+)$")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `default` is the text written when no value is given; None: a value must be given."""

    name: str
    kind: str
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Fields that are there together, or not at all."""

    fields: tuple[Field, ...]
    since: int = 0
    until: int = 1_000
    """The first server version without the line."""
    only_if: str = ""
    equals: str = ""
    """The text that field must have; empty: any that is not empty or zero."""
    each: str = ""

    def is_spoken(self, version: int) -> bool:
        """Whether this server version has the line."""
        return self.since <= version < self.until

    def is_met(self, values: Values) -> bool:
        """Whether the fields before it ask for the line."""
        if not self.only_if:
            return True
        value = values.get(self.only_if)
        return str(value) == self.equals if self.equals else bool(value)


class _Texts:
    """The fields of a message that is being read, front to back."""

    def __init__(self, message: str, texts: Sequence[str]) -> None:
        self._message = message
        self._texts = texts
        self._next = 1

    def take(self, field: Field) -> Cell:
        if self._next == len(self._texts):
            raise Malformed(f"{self._message} ends after {self._next} fields, before {field.name}.")
        text = self._texts[self._next]
        self._next += 1
        try:
            return READERS[field.kind](text)
        except Malformed as wrong:
            raise Malformed(f"{self._message}, field {self._next} ({field.name}): {wrong}.") from None

    def end(self) -> None:
        """Nothing may be left."""
        if self._next != len(self._texts):
            raise Malformed(
                f"{self._message} has {len(self._texts)} fields; {self._texts[self._next :]} are left over."
            )


class Layout(NamedTuple):
    """One message: its number, its name, its lines."""

    number: int
    name: str
    lines: tuple[Line, ...]
    defaults: Mapping[str, str]

    def write(self, values: Values, version: int) -> list[str]:
        """The fields for the wire; ValueError when a value is missing or has no place."""
        self._refuse_strangers(values)
        all_values = {**self.defaults, **values}
        texts = [str(self.number)]
        for line in self.lines:
            if not line.is_spoken(version) or not line.is_met(all_values):
                continue
            if line.each:
                rows = _rows(all_values, line.each)
                texts.append(str(len(rows)))
                texts += [self._text(field, row) for row in rows for field in line.fields]
            else:
                texts += [self._text(field, all_values) for field in line.fields]
        return texts

    def read(self, texts: Sequence[str], version: int) -> dict[str, Cell | Sequence[Row]]:
        """The values of a message; Malformed when it does not fit, to the last field."""
        taken = _Texts(self.name, texts)
        values: dict[str, Cell | Sequence[Row]] = {}
        for line in self.lines:
            if not line.is_spoken(version) or not line.is_met(values):
                continue
            if line.each:
                count = int(taken.take(Field(line.each, "int", None)) or 0)
                values[line.each] = [{field.name: taken.take(field) for field in line.fields} for _ in range(count)]
            else:
                values |= {field.name: taken.take(field) for field in line.fields}
        taken.end()
        return values

    def _text(self, field: Field, values: Values) -> str:
        if field.name not in values:
            raise ValueError(f"{self.name} needs a value for {field.name}.")
        value = values[field.name]
        if isinstance(value, Sequence) and not isinstance(value, str):
            raise ValueError(f"{self.name}.{field.name} is one field, not rows.")
        return text_of(value)

    def _refuse_strangers(self, values: Values) -> None:
        known = {field.name for line in self.lines for field in line.fields} | {line.each for line in self.lines}
        if strangers := values.keys() - known:
            raise ValueError(f"{self.name} has no place for {sorted(strangers)}.")


def _rows(values: Values, name: str) -> Sequence[Row]:
    rows = values[name]
    if rows is None or isinstance(rows, (str, int, Decimal)):
        raise ValueError(f"{name} wants rows.")
    return rows


def table(text: str, groups: Mapping[str, str]) -> dict[str, Layout]:
    """The layouts of a table, by name."""
    return {name: _layout(number, name, [_line(raw, groups) for raw in raws]) for number, name, raws in _parts(text)}


def _layout(number: int, name: str, lines: Sequence[Line]) -> Layout:
    fields = [field for line in lines for field in line.fields]
    return Layout(
        number, name, tuple(lines), {field.name: field.default for field in fields if field.default is not None}
    )


def _parts(text: str) -> Iterator[tuple[int, str, list[str]]]:
    head: re.Match[str] | None = None
    raws: list[str] = []
    for raw in filter(None, (line.rstrip() for line in text.splitlines())):
        if opening := _HEAD.match(raw):
            if head:
                yield int(head[1]), head[2], raws
            head, raws = opening, []
        else:
            raws.append(raw)
    if head:
        yield int(head[1]), head[2], raws


def _line(raw: str, groups: Mapping[str, str]) -> Line:
    conditions, bar, body = raw.partition("|")
    if not bar:
        raise ValueError(f"Layout line {raw!r} has no bar.")
    for name, fields in groups.items():
        body = body.replace(f"{{{name}}}", fields)
    line = Line(fields=tuple(_field(word) for word in body.split()))
    for condition in filter(None, (part.strip() for part in conditions.split(","))):
        line = _conditioned(line, condition)
    return line


def _conditioned(line: Line, condition: str) -> Line:
    since, until, only_if, equals, each = line.since, line.until, line.only_if, line.equals, line.each
    if found := _SINCE.match(condition):
        since = int(found[1])
    elif found := _UNTIL.match(condition):
        until = int(found[1])
    elif found := _WITHIN.match(condition):
        since, until = int(found[1]), int(found[2]) + 1
    elif condition.startswith("if "):
        only_if, _, equals = condition[3:].partition("=")
    elif condition.startswith("each "):
        each = condition[5:]
    else:
        raise ValueError(f"Layout condition {condition!r} means nothing.")
    return Line(fields=line.fields, since=since, until=until, only_if=only_if, equals=equals, each=each)


def _field(word: str) -> Field:
    found = _FIELD.match(word)
    if not found or (found[2] or "text") not in READERS:
        raise ValueError(f"Layout field {word!r} is not name, name:kind, name=value or name?.")
    return Field(found[1], found[2] or "text", "" if found[4] else found[3])
