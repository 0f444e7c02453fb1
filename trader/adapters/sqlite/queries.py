"""The statements of `queries.sql`, by name; read once."""

from importlib.resources import files

_PACKAGE = files(__package__)


def _named(text: str) -> dict[str, str]:
    queries: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, statement = block.partition("\n")
        queries[name.strip()] = statement.strip()
    return queries


SCHEMA = (_PACKAGE / "schema.sql").read_text("utf-8")
QUERIES = _named((_PACKAGE / "queries.sql").read_text("utf-8"))
