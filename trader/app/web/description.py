"""The OpenAPI description of the dashboard's machine side."""

from collections.abc import Iterable, Mapping

_READ = {
    "200": {"description": "what the page shows", "content": {"application/json": {"schema": {"type": "object"}}}},
    "401": {"description": "no token"},
    "421": {"description": "another host's name"},
    "503": {"description": "the book cannot be read"},
}
_DONE = {
    "200": {"description": "the daemon has done it"},
    "400": {"description": "not understood, or not confirmed; nothing was done"},
    "401": {"description": "no token"},
    "403": {"description": "a reader's token, or not sent by a page of the dashboard"},
    "409": {"description": "the daemon refused"},
    "421": {"description": "another host's name"},
    "503": {"description": "no daemon answers"},
}
_BODY = {
    "type": "object",
    "required": ["reason"],
    "properties": {
        "reason": {"type": "string", "minLength": 1, "maxLength": 200},
        "scope": {"type": "string", "enum": ["all", "family", "symbol", "strategy"]},
        "target": {"type": "string", "maxLength": 21},
        "alarms": {"type": "array", "items": {"type": "integer"}, "description": "their numbers, to acknowledge them"},
        "confirmation": {"type": "string", "description": "FLATTEN, to close everything"},
    },
}


def _page(name: str, columns: Iterable[str] = ()) -> dict[str, object]:
    chosen = [{"name": column, "in": "query", "schema": {"type": "string"}} for column in columns]
    return {"get": {"summary": f"the page {name}", "parameters": chosen, "responses": _READ}}


def describe(lists: Mapping[str, Iterable[str]], commands: Iterable[str]) -> dict[str, object]:
    """Every path below /api/v1; of each list the columns by which its rows may be chosen."""
    pages = {name: _page(name) for name in ("overview", "audit", "calendar")}
    pages |= {name: _page(name, columns) for name, columns in lists.items()}
    whole_story = {
        "summary": "the whole story of an id",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}],
        "responses": _READ,
    }
    body = {"required": True, "content": {"application/json": {"schema": _BODY}}}
    asked = {name: {"post": {"summary": name, "requestBody": body, "responses": _DONE}} for name in commands}
    paths = {**pages, "why/{id}": {"get": whole_story}, **asked}
    return {
        "openapi": "3.1.0",
        "info": {"title": "trader dashboard", "version": "1"},
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {f"/api/v1/{name}": path for name, path in paths.items()},
    }
