"""The dashboard's pages, their twins in JSON, and the commands; behind the guard, all of it.

Every page is read anew from the book, read-only, by a connection of its own: a book that cannot be read is said on the
page, and nothing here can hold up the daemon.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import groupby
from typing import cast
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from trader.app.cli.accounts import rows_of
from trader.app.cli.context import Reading, account_of
from trader.app.cli.funnel import newest_day
from trader.app.latency_figures import CLASSES, LatencyFigures
from trader.app.plain import plain
from trader.app.report import charts
from trader.app.report.course import read_course
from trader.app.report.page import DRAWING
from trader.app.report.period import Period, Span
from trader.app.settings import Settings
from trader.app.web.audits import Audits
from trader.app.web.commanding import COMMANDS, command
from trader.app.web.description import describe
from trader.app.web.guarding import DOOR, Guard
from trader.app.web.lists import LISTS, read_list
from trader.app.web.live import Live
from trader.app.web.metrics import Metrics
from trader.app.web.overview import read_overview
from trader.app.web.rendering import make_environment, render_cards
from trader.app.web.stories import read_story
from trader.app.web.tokens import Role, Tokens, token_path
from trader.domain.errors import TraderError

_SESSION_S = 12 * 3600
_LONGEST_BODY = 10_000
_LATENCIES_EVERY_S = 15.0
_CALENDAR = timedelta(weeks=13)

Facts = Mapping[str, object]


class _Latencies:
    """How long things take, taken anew now and then: a picture that changes all the time cannot be looked at."""

    def __init__(self) -> None:
        self._kept: tuple[LatencyFigures, ...] = ()
        self._at_s = 0.0

    def newest(self, told: tuple[LatencyFigures, ...]) -> tuple[LatencyFigures, ...]:
        """What is shown; nothing at once when nobody tells any more."""
        if not told or not self._kept or time.monotonic() - self._at_s >= _LATENCIES_EVERY_S:
            self._kept, self._at_s = told, time.monotonic()
        return self._kept


class Dashboard:
    """One account's dashboard."""

    def __init__(self, settings: Settings, every: Sequence[Settings], tokens: Tokens, port: int) -> None:
        self._settings = settings
        self._every = every
        self._guard = Guard(port, tokens)
        self._environment = make_environment()
        self._audits = Audits(settings)
        self._live = Live(self._cards)
        self._metrics = Metrics(settings)
        self._latencies = _Latencies()

    def application(self) -> ASGIApp:
        """What a server serves."""
        static = str(files("trader.app.web").joinpath("static"))

        pages: list[tuple[str, str, Callable[[Reading, Request], Facts]]] = [
            ("/", "overview", self._overview),
            ("/audit", "audit", lambda _reading, _request: {"audited": self._audits.newest()}),
            ("/calendar", "calendar", _calendar),
            ("/why/{id:path}", "why", _why),
            *((f"/{name}", "list", _list_of(name)) for name in LISTS),
        ]
        routes: list[Route | Mount] = [
            Route(DOOR, self._door, methods=["GET", "POST"]),
            Route("/static/plotly.min.js", _script(files("plotly").joinpath("package_data/plotly.min.js"))),
            Route("/static/charts.js", _script(files("trader.app.report").joinpath(DRAWING))),
            Mount("/static", StaticFiles(directory=static)),
            Route("/live", self._follow),
            Route("/api/v1/openapi.json", self._description),
            Route("/metrics", self._scraped),
        ]
        for path, template, read in pages:
            routes.append(Route(path, self._page(template, read)))
            routes.append(Route(f"/api/v1{'/overview' if path == '/' else path}", self._twin(read)))
        routes += [Route(f"/api/v1/{name}", self._command(name), methods=["POST"]) for name in COMMANDS]
        handlers = {TraderError: _book_fault}
        return self._guard.around(Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers))

    def end(self) -> None:
        """Let those go who follow."""
        self._live.end()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            chores = [group.create_task(self._audits.keep_asking()), group.create_task(self._live.keep_telling())]
            yield
            for chore in chores:
                chore.cancel()

    def _page(self, template: str, read: Callable[[Reading, Request], Facts]) -> Callable[[Request], Response]:
        """A page of what is read. Its own thread reads it: the server goes on."""

        def answer(request: Request) -> Response:
            with account_of(self._settings) as reading:
                facts = dict(read(reading, request))
            role = cast("Role", self._guard.role(request))
            if template == "overview":
                facts["cards"] = render_cards(self._environment, facts)
            page = self._environment.get_template(f"{template}.html.j2")
            return HTMLResponse(
                page.render(
                    {
                        **facts,
                        "account": self._settings.account.name,
                        "lists": tuple(LISTS),
                        "may_act": role is Role.OPERATOR,
                        "form_key": self._guard.tokens.form_key(role),
                    }
                )
            )

        return answer

    def _twin(self, read: Callable[[Reading, Request], Facts]) -> Callable[[Request], Response]:
        """The same as JSON."""

        def answer(request: Request) -> Response:
            with account_of(self._settings) as reading:
                return JSONResponse(plain(read(reading, request)))

        return answer

    def _command(self, name: str) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            try:
                typed = await _json_body(request)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, HTTPStatus.BAD_REQUEST)
            said = await asyncio.to_thread(command, self._settings, name, typed)
            return JSONResponse(dict(said.body), said.status)

        return answer

    def _overview(self, reading: Reading, _: Request | None = None) -> Facts:
        overview = read_overview(reading.book, self._settings)
        points = overview.course.points if overview.course is not None else ()
        told = [(mark.at, mark.what) for mark in overview.marks] if points else []
        chart = charts.equity(points, told, overview.loss_limit)
        accounts = [row.facts() for row in rows_of(list(self._every), overview.standing)]
        latencies = self._latencies.newest(overview.standing.latencies)
        return {
            "overview": overview,
            "audited": self._audits.newest(),
            "equity_chart": chart,
            "accounts": accounts,
            "latencies": latencies,
            "latencies_chart": charts.latencies(latencies),
            "latency_classes": CLASSES,
        }

    def _cards(self) -> dict[str, str]:
        with account_of(self._settings) as reading:
            return render_cards(self._environment, self._overview(reading))

    async def _follow(self, _: Request) -> Response:
        return StreamingResponse(self._live.told(), media_type="text/event-stream")

    async def _description(self, _: Request) -> Response:
        return JSONResponse(describe({name: listed.filters for name, listed in LISTS.items()}, COMMANDS))

    async def _scraped(self, request: Request) -> Response:
        text, media_type = await self._metrics.scrape(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": media_type})

    async def _door(self, request: Request) -> Response:
        """The token, typed or from the address that the command line prints, becomes a session."""
        wrong = False
        if request.method == "POST":
            body = (await _body(request)).decode("utf-8", "replace")
            role = self._guard.tokens.role_of((parse_qs(body).get("token") or [""])[0].strip())
            if role is not None:
                entered = RedirectResponse("/", 303)
                session = self._guard.tokens.session(role)
                entered.set_cookie(self._guard.cookie, session, _SESSION_S, httponly=True, samesite="strict")
                return entered
            wrong = True
        db, account = self._settings.book.db, self._settings.account.name
        page = self._environment.get_template("login.html.j2").render(
            account=account,
            wrong=wrong,
            operator_file=token_path(db, account, Role.OPERATOR).name,
            reader_file=token_path(db, account, Role.READER).name,
        )
        return HTMLResponse(page, HTTPStatus.UNAUTHORIZED if wrong else HTTPStatus.OK)


def _script(path: Traversable) -> Callable[[Request], Response]:
    """A file that a package has beside its code."""

    def answer(_: Request) -> Response:
        return FileResponse(str(path), media_type="text/javascript")

    return answer


def _list_of(name: str) -> Callable[[Reading, Request], Facts]:
    def read(reading: Reading, request: Request) -> Facts:
        return {"listed": read_list(reading.book, reading.account, name, request.query_params)}

    return read


def _why(reading: Reading, request: Request) -> Facts:
    return read_story(reading.book, reading.account, str(request.path_params["id"]))._asdict()


def _calendar(reading: Reading, _: Request) -> Facts:
    last = newest_day(reading.book, reading.account)
    days = read_course(reading.book, reading.account, Period(Span.RANGE, last - _CALENDAR, last)).days
    weeks = {
        f"{year}-W{week:02}": {day.day.weekday(): day for day in of_week}
        for (year, week), of_week in groupby(days, key=lambda day: day.day.isocalendar()[:2])
    }
    return {"days": days, "weeks": weeks, "chart": charts.days(days)}


async def _json_body(request: Request) -> object:
    """Raises ValueError."""
    try:
        return await request.json() if len(await _body(request)) else {}
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None


async def _body(request: Request) -> bytes:
    """A short body; a longer one is nothing that this dashboard's pages send."""
    body = await request.body()
    return body if len(body) <= _LONGEST_BODY else b""


def _book_fault(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE)
