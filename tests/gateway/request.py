"""A request as the gateway has read it: its name, who sent it, and its values with their kinds."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from gateway.layout import Layout, Values
from gateway.layouts import REQUESTS_BY_NUMBER
from gateway.wire import Malformed


class Request(NamedTuple):
    """One request. The accessors give a value of one kind, and an empty one when the field was not set."""

    name: str
    client_id: int
    values: Values

    def text(self, field: str) -> str:
        """The text of a field."""
        value = self.values[field]
        return value if isinstance(value, str) else ""

    def whole(self, field: str) -> int:
        """A whole number; 0 when it was not set."""
        value = self.values[field]
        return value if isinstance(value, int) else 0

    def number(self, field: str) -> Decimal | None:
        """An exact number; None when it was not set."""
        value = self.values[field]
        return value if isinstance(value, Decimal) else None

    def flag(self, field: str) -> bool:
        """Yes or no."""
        return self.values[field] is True

    @property
    def id(self) -> int:
        """The number that answers to it carry: of the request or of the order; -1 when it has none."""
        field = next((name for name in ("reqId", "orderId") if name in self.values), None)
        return -1 if field is None else self.whole(field)

    @property
    def symbol(self) -> str:
        """The symbol it is about; empty when it is about none."""
        return self.text("symbol") if "symbol" in self.values else ""


def read_request(fields: Sequence[str], client_id: int, version: int) -> Request:
    """Read one request strictly; Malformed when it is unknown or does not fit its layout."""
    layout = _layout(fields)
    return Request(layout.name, client_id, layout.read(fields, version))


def _layout(fields: Sequence[str]) -> Layout:
    try:
        return REQUESTS_BY_NUMBER[int(fields[0])]
    except (KeyError, ValueError):
        raise Malformed(f"No request has the number {fields[0]!r}: {list(fields[1:8])}.") from None
