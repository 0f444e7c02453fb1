"""What the dashboard shows is what the book says, to a person and to a machine; what is hostile in it stays text."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import pytest
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book
from served_dashboard import Served, served

from trader.adapters.fingerprint import code_fingerprint
from trader.app.web.live import Live
from trader.app.web.rendering import make_environment
from trader.services.latencies import BOUNDS_S


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day up to 12:20: TQQQ is held, and was last seen at 80 dollars."""
    book = a_replayed_book(tmp_path_factory.mktemp("noon"), until="12:20")
    book.damage("INSERT OR REPLACE INTO book_marks VALUES ('paper', 'TQQQ', 80000000, 1750695360000000, 0)")
    return book


@pytest.fixture(scope="module")
def dashboard(book: ReplayedBook) -> Iterator[Served]:
    """No daemon runs."""
    with served(book) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("orders", "orders"),
        ("fills", "trades"),
        ("trades", "round_trips"),
        ("signals", "signals"),
        ("events", "events"),
    ],
)
def test_a_list_has_the_rows_of_its_view(book: ReplayedBook, dashboard: Served, name: str, view: str) -> None:
    listed = dashboard.get(f"/api/v1/{name}").json()["listed"]
    assert listed["total"] == len(book.sql(f"SELECT * FROM {view}"))  # noqa: S608  (our names)
    assert len(listed["rows"]) == listed["total"]


@pytest.mark.parametrize("name", ["orders", "fills", "trades", "signals"])
def test_every_id_of_a_list_leads_to_its_story(dashboard: Served, name: str) -> None:
    listed = dashboard.get(f"/api/v1/{name}").json()["listed"]
    page = dashboard.get(f"/{name}").body
    ids = {str(row[listed["columns"].index(column)]) for column in listed["ids"] for row in listed["rows"][-20:]} - {""}
    assert ids
    for id_ in ids:
        assert f'href="/why/{id_}"' in page
        assert dashboard.get(f"/api/v1/why/{id_}").json()["story"]


def test_the_number_of_an_alarm_leads_to_no_execution_of_that_number(book: ReplayedBook, tmp_path: Path) -> None:
    alarmed = book.copy_to(tmp_path / "alarmed")
    alarmed.damage(
        "INSERT INTO book_alarms (account, seq, type, severity, subject, text, count, first_us, last_us) "
        "VALUES ('paper', 1, 'drift', 'critical', 'QQQ', 'x', 1, 1, 1)"
    )
    with served(alarmed) as dashboard:
        page = dashboard.get("/alarms").body
    assert "drift" in page
    assert "/why/" not in page


def test_a_list_is_chosen_by_what_a_link_says(book: ReplayedBook, dashboard: Served) -> None:
    listed = dashboard.get("/api/v1/signals?outcome=refused&rule=symbol_locked&account=other").json()["listed"]
    assert listed["chosen"] == {"outcome": "refused", "rule": "symbol_locked"}
    assert listed["total"] == int(book.one("SELECT count(*) FROM signals WHERE rule = 'symbol_locked'"))


def test_an_event_is_found_by_the_number_that_a_page_names(book: ReplayedBook, dashboard: Served) -> None:
    moments = dashboard.get("/api/v1/overview").json()["overview"]["moments"]
    proof = next(moment["proof"] for moment in moments if moment["proof"] is not None)
    page = dashboard.get("/").body
    assert f'href="/events?seq={proof}"' in page
    listed = dashboard.get(f"/api/v1/events?seq={proof}").json()["listed"]
    assert [row[listed["columns"].index("seq")] for row in listed["rows"]] == [proof]


def test_the_curve_of_the_day_marks_its_moments_and_names_them_in_a_table(dashboard: Served) -> None:
    """Also those that are older than the newest events."""
    answer = dashboard.get("/api/v1/overview").json()
    marks = answer["overview"]["marks"]
    assert {"run started", "open"} <= {mark["what"] for mark in marks}
    assert len(answer["equity_chart"]["layout"]["annotations"]) == len(marks)
    page = dashboard.get("/").body
    assert all(f'<a href="/events?seq={mark["seq"]}">{mark["seq"]}</a>' in page for mark in marks)


def test_what_is_held_and_what_was_reconciled_have_their_ages(dashboard: Served) -> None:
    page = re.sub(r"(?s)<script.*?</script>|<[^>]*>", " ", dashboard.get("/").body)
    assert re.search(r"TQQQ.*?[+-][\d,.]+\s+\d:\d\d:\d\d\s", page, re.DOTALL)
    assert re.search(r"reconciled \d\d:\d\d:\d\d E[DS]T, \d:\d\d:\d\d ago|never reconciled", page)
    assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", page), "a person reads New York's time"


def test_the_first_page_has_the_money_of_the_book(book: ReplayedBook, dashboard: Served) -> None:
    overview = dashboard.get("/api/v1/overview").json()["overview"]
    assert overview["standing"]["cash"] == float(book.one("SELECT cash FROM account"))
    assert overview["standing"]["equity"] == float(book.one("SELECT equity FROM account"))
    [held] = overview["standing"]["positions"]
    assert (held["symbol"], held["quantity"], held["last"]) == ("TQQQ", 185, 80.0)
    page = dashboard.get("/").body
    assert f"{overview['standing']['equity']:,.2f}" in page
    assert "TQQQ" in page


def test_a_book_at_rest_says_that_nobody_watches(dashboard: Served) -> None:
    overview = dashboard.get("/api/v1/overview").json()["overview"]
    assert overview["standing"]["daemon"]["down"] is True
    assert "STOPPED" in dashboard.get("/").body


def test_the_exposure_of_a_family_stands_beside_its_limit(dashboard: Served) -> None:
    exposure = dashboard.get("/api/v1/overview").json()["overview"]["exposure"]
    assert [row["family"] for row in exposure] == ["all", "QQQ"]
    assert exposure[1]["value"] == 185 * 80.0
    assert exposure[1]["limit"] == pytest.approx(exposure[0]["limit"] * 0.4, abs=0.01)


def test_a_moment_of_the_day_is_done_when_the_journal_says_so(dashboard: Served) -> None:
    moments = dashboard.get("/api/v1/overview").json()["overview"]["moments"]
    assert [(moment["name"], moment["reached"], moment["proof"] is not None) for moment in moments] == [
        ("opens", True, True),
        ("entries stop", False, False),
        ("flatten", False, False),
        ("flat by", False, False),
        ("closes", False, False),
    ]


def test_an_id_that_nobody_knows_is_said_and_no_error(dashboard: Served) -> None:
    answer = dashboard.get("/why/%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status == 200
    assert "knows no such id" in answer.body
    assert "<script>alert" not in answer.body


def test_nothing_in_the_book_becomes_a_part_of_a_page(book: ReplayedBook, tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>'\"&"
    struck = book.copy_to(tmp_path / "struck")
    struck.damage("UPDATE book_signals SET rule = ? WHERE rule = 'symbol_locked'", hostile)
    struck.damage("UPDATE book_round_trips SET exit_reason = ? WHERE id = 1", hostile)
    struck.damage("UPDATE book_events SET symbol = ? WHERE seq = 5", hostile)
    with served(struck) as running:
        for path in ("/", "/signals", "/trades", "/events", "/calendar"):
            body = running.get(path).body
            assert "<img" not in body, path
        assert "onerror=alert(1)" in running.get("/events").body


def test_a_book_that_cannot_be_read_is_said_and_the_dashboard_goes_on(book: ReplayedBook, tmp_path: Path) -> None:
    other = book.copy_to(tmp_path / "other")
    with served(other) as running:
        whole = other.db.read_bytes()
        other.db.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        broken = running.get("/api/v1/orders")
        assert (broken.status, str(other.db) in broken.body) == (503, True)
        other.db.write_bytes(whole)
        assert running.get("/api/v1/orders").status == 200


def test_the_description_knows_every_path(dashboard: Served) -> None:
    description = dashboard.get("/api/v1/openapi.json").json()
    for path, what in description["paths"].items():
        if "get" in what:
            assert dashboard.get(path.replace("{id}", "S-1")).status == 200, path


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "7",
        "null",
        "{",
        '{"reason": 7}',
        '{"reason": "x"}',
        '{"confirmation": "flatten"}',
        '{"reason": "x", "confirmation": "FLATTEN", "scope": []}',
        "[" * 4_000,
        '{"reason":' * 900,
    ],
)
def test_a_flatten_that_is_not_confirmed_is_not_sent(dashboard: Served, body: str) -> None:
    headers = {"Authorization": f"Bearer {dashboard.operator}"}
    assert dashboard.ask("POST", "/api/v1/flatten", headers, body).status == 400


@pytest.mark.parametrize(
    ("differs", "says"),
    [({"code": "another"}, "code another runs"), ({"version_differs": "configuration"}, "configuration")],
    ids=["code", "configuration"],
)
def test_a_version_that_differs_is_a_lamp(
    book: ReplayedBook, tmp_path: Path, differs: dict[str, object], says: str
) -> None:
    own = book.copy_to(tmp_path / "own")
    answer: dict[str, object] = {"code": code_fingerprint(), "version_differs": ""}
    with PretendedDaemon(own, {**answer, **differs}), served(own) as running:
        page = running.get("/").body
    assert re.search(rf'class="lamp differs"><dt>version that runs</dt>.*DIFFERS</strong>: {says}', page)


def test_how_long_things_take_is_a_picture_and_a_table(book: ReplayedBook, tmp_path: Path) -> None:
    own = book.copy_to(tmp_path / "own")
    counts = [*[0] * 5, 99, *[0] * (len(BOUNDS_S) - 6), 1]
    told: dict[str, object] = {"latencies": {"commit": {"counts": counts, "sum_s": 12.0}}}
    with PretendedDaemon(own, told), served(own) as running:
        page = running.get("/").body
        [figures] = running.get("/api/v1/overview").json()["latencies"]
    assert (figures["name"], figures["counts"]) == ("commit", counts)
    assert 'data-chart="latencies-chart"' in page
    assert re.search(r'commit</th><td class="number">100</td><td class="number">5 ms</td>', page)
    assert '<th scope="row">5 ms</th><td class="number">99</td>' in page
    assert '<th scope="row">more</th><td class="number">1</td>' in page


def test_an_option_is_held_in_contracts(book: ReplayedBook, tmp_path: Path) -> None:
    own = book.copy_to(tmp_path / "own")
    with served(own) as running:
        assert "185 shares</td>" in running.get("/").body
    assert make_environment().from_string("{{ 'QQQ261218C00500000'|units }}").render() == "contracts"


def test_the_pictures_are_drawn_by_one_file(dashboard: Served) -> None:
    drawing = files("trader.app.report").joinpath("charts.js").read_text("utf-8")
    assert dashboard.get("/static/charts.js").body == drawing
    for path in files("trader.app.web").joinpath("static").iterdir():
        assert "Plotly." not in path.read_text("utf-8")


async def test_however_many_come_at_once_the_first_page_is_rendered_once() -> None:
    rendered: list[int] = []

    def render() -> Mapping[str, str]:
        time.sleep(0.05)
        rendered.append(1)
        return {"strip": str(len(rendered))}

    live = Live(render)
    followers = [live.told() for _ in range(20)]
    first = await asyncio.gather(*(anext(follower) for follower in followers))
    assert set(first) == {'data: {"strip": "1"}\n\n'}
    assert len(rendered) == 1
    live.end()
    for follower in followers:
        await follower.aclose()  # type: ignore[attr-defined]


async def test_a_change_is_told_to_everybody_who_looks() -> None:
    seen = iter(("before", "after", "after", "after", "after"))
    live = Live(lambda: {"strip": next(seen), "day": "same"})
    follower = live.told()
    assert await anext(follower) == 'data: {"strip": "before", "day": "same"}\n\n'
    telling = asyncio.create_task(live.keep_telling())
    heard = ""
    while "after" not in heard:
        heard = await asyncio.wait_for(anext(follower), 10)
    assert heard == 'data: {"strip": "after"}\n\n'
    telling.cancel()
