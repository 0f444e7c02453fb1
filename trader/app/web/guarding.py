"""What a request has to prove before anything looks at it.

Rule 1: it names this host and port exactly, whatever address it came by: a foreign name that resolves to loopback is
refused (DNS rebinding).
Rule 2: without a session or a token nothing is shown but the door.
Rule 3: a command comes from the operator, from a page of ours (Origin, and the form's key), or with the token itself.
Rule 4: every answer says what a browser may do with it: no foreign code, no frame, no cache.
"""

from http import HTTPStatus
from typing import NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trader.app.web.tokens import Role, Tokens

FORM_KEY = "x-trader-form"
DOOR = "/login"
_OPEN = (DOOR, "/static/style.css", "/static/login.js")
_FOR_PROGRAMS = ("/api/", "/metrics")
_SAFE = ("GET", "HEAD")

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Styles may be inline, as the chart library sets them; scripts may not. Without a referrer browsers send no Origin."""


class Guard(NamedTuple):
    """The rules, for one place."""

    port: int
    tokens: Tokens

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which a browser on this host may call it."""
        return frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost"))

    @property
    def cookie(self) -> str:
        """Of this dashboard: browsers send a cookie to every port of a host."""
        return f"trader_session_{self.port}"

    def around(self, application: ASGIApp) -> ASGIApp:
        """An application behind these rules."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(_HEADERS)
                await send(message)

            if scope["type"] != "http":
                await application(scope, receive, send)
                return
            await (self._refusal(Request(scope)) or application)(scope, receive, send_with_headers)

        return guarded

    def role(self, request: Request) -> Role | None:
        """Who asks: by the session's cookie, or by a token of a program."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tokens.role_of(token.strip())
        return self.tokens.role_of_session(request.cookies.get(self.cookie, ""))

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host") not in self.hosts:
            return _no(HTTPStatus.MISDIRECTED_REQUEST, "this address is not served here")
        if request.url.path in _OPEN:
            return None if self._from_here(request) else _no(HTTPStatus.FORBIDDEN, "another site's form")
        role = self.role(request)
        if role is None:
            wants_page = request.method in _SAFE and not request.url.path.startswith(_FOR_PROGRAMS)
            return RedirectResponse(DOOR, 303) if wants_page else _no(HTTPStatus.UNAUTHORIZED, "a token is needed")
        if request.method in _SAFE:
            return None
        return self._refusal_of_command(request, role)

    def _refusal_of_command(self, request: Request, role: Role) -> Response | None:
        if role is not Role.OPERATOR:
            return _no(HTTPStatus.FORBIDDEN, "a reader may look, not act")
        if "authorization" in request.headers:
            return None
        if not self._from_here(request) or request.headers.get(FORM_KEY) != self.tokens.form_key(role):
            return _no(HTTPStatus.FORBIDDEN, "not sent by a page of this dashboard")
        return None

    def _from_here(self, request: Request) -> bool:
        """Whether a browser says that a page of ours sends it; nothing is asked of what only looks."""
        if request.method in _SAFE:
            return True
        origin = request.headers.get("origin", "")
        return origin.removeprefix("http://") in self.hosts and origin.startswith("http://")


def _no(status: HTTPStatus, why: str) -> Response:
    return JSONResponse({"error": why}, status)
