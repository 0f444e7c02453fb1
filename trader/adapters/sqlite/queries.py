"""The statements of `queries.sql`, by name; read once."""

import re
from importlib.resources import files

_PACKAGE = files(__package__)


def _named(text: str) -> dict[str, str]:
    queries: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, statement = block.partition("\n")
        queries[name.strip()] = statement.strip()
    return queries


ROWS_TOGETHER = 32
"""So many rows of a burst are written by one statement: what a statement costs beside its rows is paid once."""
_OF_A_BURST = (
    "insert_fill",
    "put_lot",
    "put_position",
    "update_order",
    "release_lock",
    "put_mark",
    "put_signal",
    "insert_event",
)
_ROW = re.compile(r"(?<=VALUES )\([?, ]+\)")


def _together(statement: str) -> str:
    """The same statement for `ROWS_TOGETHER` rows."""
    return _ROW.sub(lambda row: ", ".join([row[0]] * ROWS_TOGETHER), statement)


SCHEMA = (_PACKAGE / "schema.sql").read_text("utf-8")
QUERIES = _named((_PACKAGE / "queries.sql").read_text("utf-8"))
QUERIES_TOGETHER = {name: _together(QUERIES.get(f"{name}_together", QUERIES[name])) for name in _OF_A_BURST}
"""By the name of the statement for one row; what changes rows needs another wording for it."""
