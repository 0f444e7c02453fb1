"""Who is let in to the dashboard, and who is not: every way past the door is tried over a real socket."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from replayed_book import ReplayedBook, a_replayed_book
from served_dashboard import Served, served

COMMANDS = ("halt", "resume", "flatten")
REASON = '{"reason": "a test", "confirmation": "FLATTEN"}'
NO_DAEMON = 503


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The whole day."""
    return a_replayed_book(tmp_path_factory.mktemp("day"))


@pytest.fixture(scope="module")
def dashboard(book: ReplayedBook) -> Iterator[Served]:
    """No daemon runs: a command that got through all doors is answered with 503."""
    with served(book) as running:
        yield running


PAGES = ("/", "/orders", "/signals", "/why/S-1", "/audit", "/calendar", "/live")
MACHINE = ("/api/v1/overview", "/api/v1/orders", "/api/v1/openapi.json")


@pytest.mark.parametrize("path", PAGES)
def test_without_a_token_a_page_is_only_the_door(dashboard: Served, path: str) -> None:
    answer = dashboard.ask("GET", path)
    assert (answer.status, answer.headers["location"], answer.body) == (303, "/login", "")


@pytest.mark.parametrize("path", MACHINE)
def test_without_a_token_a_machine_is_refused(dashboard: Served, path: str) -> None:
    assert dashboard.ask("GET", path).status == 401


@pytest.mark.parametrize("token", ["x", "", "é", "' OR 1=1 --", "a" * 5000])
def test_a_wrong_token_opens_nothing(dashboard: Served, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token.encode().decode('latin-1')}"}
    assert dashboard.ask("GET", "/api/v1/orders", bearer).status == 401
    at_the_door = dashboard.ask("POST", "/login", {"Origin": f"http://{dashboard.host}"}, f"token={token}")
    assert (at_the_door.status, "set-cookie" in at_the_door.headers) == (401, False)
    assert (
        dashboard.ask("GET", "/api/v1/orders", {"Cookie": f"trader_session_{dashboard.port}={len(token)}"}).status
        == 401
    )


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", "[::1]:{port}", ""]
)
@pytest.mark.parametrize("path", ["/login", "/api/v1/orders", "/static/style.css"])
def test_another_hosts_name_is_not_served_here(dashboard: Served, host: str, path: str) -> None:
    named = host.format(port=dashboard.port)
    headers = {"Host": named, "Authorization": f"Bearer {dashboard.operator}"}
    assert dashboard.ask("GET", path, headers).status in (400, 421)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_of_ours_reaches_the_daemons_door(dashboard: Served, command: str) -> None:
    answer = dashboard.ask("POST", f"/api/v1/{command}", dashboard.enter(dashboard.operator), REASON)
    assert (answer.status, "no daemon" in answer.body) == (NO_DAEMON, True)
    bearer = {"Authorization": f"Bearer {dashboard.operator}"}
    assert dashboard.ask("POST", f"/api/v1/{command}", bearer, REASON).status == NO_DAEMON


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://{host}"},
        {"Origin": "http://{host}.evil.example"},
        {"X-Trader-Form": ""},
        {"X-Trader-Form": "0" * 64},
        {"Cookie": ""},
        {"Cookie": "trader_session_{port}=0"},
    ],
    ids=str,
)
def test_a_command_from_elsewhere_is_refused(dashboard: Served, command: str, wrong: dict[str, str]) -> None:
    headers = {
        **dashboard.enter(dashboard.operator),
        **{key: value.format(host=dashboard.host, port=dashboard.port) for key, value in wrong.items()},
    }
    assert dashboard.ask("POST", f"/api/v1/{command}", headers, REASON).status in (401, 403)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_looks_and_does_not_act(dashboard: Served, command: str) -> None:
    assert dashboard.get("/api/v1/orders", dashboard.reader).status == 200
    bearer = {"Authorization": f"Bearer {dashboard.reader}"}
    assert dashboard.ask("POST", f"/api/v1/{command}", bearer, REASON).status == 403
    assert dashboard.ask("POST", f"/api/v1/{command}", dashboard.enter(dashboard.reader), REASON).status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("command", COMMANDS)
def test_only_a_post_is_a_command(dashboard: Served, command: str, method: str) -> None:
    headers = {"Authorization": f"Bearer {dashboard.operator}"}
    assert dashboard.ask(method, f"/api/v1/{command}", headers, REASON).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/../tokens.py",
        "/static/%2e%2e/tokens.py",
        "/static/..%2ftokens.py",
        "/static//etc/passwd",
        "/static/%00",
        "/why/../../etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_folder(dashboard: Served, path: str) -> None:
    answer = dashboard.get(path)
    assert answer.status in (200, 404), answer
    assert "import hmac" not in answer.body
    assert "root:" not in answer.body


def test_every_answer_says_what_a_browser_may_do_with_it(dashboard: Served) -> None:
    for path in ("/login", "/", "/api/v1/orders", "/nothing", "/static/dashboard.js"):
        headers = dashboard.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_the_session_stays_in_the_browser_and_on_this_site(dashboard: Served) -> None:
    entered = dashboard.ask("POST", "/login", {"Origin": f"http://{dashboard.host}"}, f"token={dashboard.operator}")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert dashboard.operator not in entered.headers["set-cookie"]


def test_tokens_are_their_owners_alone(book: ReplayedBook, dashboard: Served, tmp_path: Path) -> None:
    for role in ("operator", "reader"):
        path = book.db.with_name(f"{book.db.name}.paper.{role}.token")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = book.copy_to(tmp_path / "other")
    shown = other.db.with_name(f"{other.db.name}.paper.operator.token")
    shown.write_text("x" * 40, "utf-8")
    shown.chmod(0o644)
    answer = other.trader("dashboard", "--port", "0")
    assert answer.code == 2
    assert "could be read by others" in answer.err


def test_a_token_that_is_a_link_is_not_followed(book: ReplayedBook, tmp_path: Path) -> None:
    other = book.copy_to(tmp_path / "other")
    (tmp_path / "elsewhere").write_text("x" * 40, "utf-8")
    other.db.with_name(f"{other.db.name}.paper.reader.token").symlink_to(tmp_path / "elsewhere")
    assert other.trader("dashboard", "--port", "0").code == 2


def test_a_taken_port_is_said(book: ReplayedBook, dashboard: Served) -> None:
    answer = book.trader("dashboard", "--port", str(dashboard.port))
    assert answer.code == 2
    assert "--port" in answer.err
