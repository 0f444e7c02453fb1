"""The dashboard in a real browser, of a daemon that trades: what is seen, and what is done by the page."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from processes.daemon import Daemon, Project, wait_for

_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_SEEN_MS = 30_000

pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Without a window."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def shots() -> Path:
    """Where pictures are kept, to be looked at: TRADER_SCREENSHOTS, else .screenshots, which git ignores."""
    folder = Path(os.environ.get("TRADER_SCREENSHOTS") or Path(__file__).resolve().parents[2] / ".screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def daemon(project: Project) -> Daemon:
    """It trades, slowly enough to be looked at."""
    started = project.start("--speed", "60")
    started.until(lambda: "Created position" in started.own_log(), "a position", seconds=120)
    return started


def opened(project: Project, browser: Browser, role: str = "act") -> Page:
    """The first page, by the address that the dashboard prints."""
    serving = project.start(
        *("-m", "trader", "dashboard", "--port", "0"), script=project.python, variables={"PYTHONUNBUFFERED": "1"}
    )
    wait_for(lambda: "to look:" in serving.out, f"an address; {serving.err}")
    address = re.search(rf"to look{' and act' if role == 'act' else ''}:\s+(\S+)", serving.out)
    assert address is not None, serving.out
    page = browser.new_page(viewport={"width": 1440, "height": 1800})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(address[1])
    page.wait_for_selector("#card-strip")
    assert faults == []
    assert "#" not in page.url
    return page


def asked(page: Page, command: str, **typed: str) -> None:
    """Fill a command's form and send it."""
    form = page.locator(f"form[data-command={command}]:not(.breaker)")
    for name, value in typed.items():
        form.locator(f"[name={name}]").fill(value)
    form.locator("button").click()


def test_a_change_is_seen_without_loading_the_page_again(project: Project, daemon: Daemon, browser: Browser) -> None:
    page = opened(project, browser)
    before = page.locator("#card-strip").inner_text()
    expect(page.locator("#card-strip")).not_to_have_text(before, timeout=_SEEN_MS)
    expect(page.locator(".state")).to_contain_text("TRADING")
    assert daemon.runs


def test_entries_are_halted_by_the_page(project: Project, daemon: Daemon, browser: Browser) -> None:
    page = opened(project, browser)
    asked(page, "halt", reason="seen in a browser")
    expect(page.locator("#answer")).to_contain_text("entries halted", timeout=_SEEN_MS)
    expect(page.locator(".state")).to_contain_text("HALTED: all: seen in a browser", timeout=_SEEN_MS)
    assert project.rows("SELECT reason FROM book_halts WHERE cleared_us IS NULL") == [("seen in a browser",)]
    asked(page, "resume", reason="looked at it")
    expect(page.locator(".state")).to_contain_text("TRADING", timeout=_SEEN_MS)
    assert daemon.runs


def test_everything_is_closed_by_the_page_and_only_when_it_is_typed(
    project: Project, daemon: Daemon, browser: Browser
) -> None:
    page = opened(project, browser)
    asked(page, "flatten", reason="enough", confirmation="flatten")
    assert page.locator("#answer").inner_text() == ""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    form = page.locator('form[data-command="flatten"]')
    form.locator('[name="reason"]').fill("enough")
    form.locator('[name="confirmation"]').fill("FLATTEN")
    form.locator("button").evaluate("button => { button.click(); button.click(); }")
    expect(page.locator("#card-positions")).to_contain_text("Nothing is held.", timeout=_SEEN_MS)
    assert project.rows("SELECT symbol FROM positions WHERE quantity > 0") == []
    assert len(sent) == 1, "a second click is no second command"
    account = project.rows("SELECT equity FROM account")
    expect(page.locator("#card-positions")).to_contain_text(f"equity {float(str(account[0][0])):,.2f}")
    assert daemon.runs


def test_what_is_old_says_so(project: Project, daemon: Daemon, browser: Browser, shots: Path) -> None:
    page = opened(project, browser)
    expect(page.locator("#stale")).to_be_hidden()
    daemon.ended(signal.SIGKILL)
    expect(page.locator("#stale")).to_contain_text("STALE: no daemon answers", timeout=_SEEN_MS)
    expect(page.locator(".state")).to_contain_text("STOPPED")
    page.screenshot(path=shots / "stale.png")


def test_a_reader_sees_no_way_to_act(project: Project, daemon: Daemon, browser: Browser) -> None:
    page = opened(project, browser, role="look")
    expect(page.locator("form")).to_have_count(0)
    expect(page.locator("#card-control")).to_contain_text("may look, not act")
    assert daemon.runs


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 390)])
def test_nothing_runs_over_the_side(
    project: Project, daemon: Daemon, browser: Browser, scheme: str, width: int, shots: Path
) -> None:
    page = opened(project, browser)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 1600})
    expect(page.locator("#card-latencies .main-svg").first).to_be_visible(timeout=_SEEN_MS)
    page.wait_for_timeout(1000)  # the pictures find their new width
    page.screenshot(path=shots / f"{scheme}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert daemon.runs


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_draws_its_pictures_alone(
    project: Project, daemon: Daemon, browser: Browser, scheme: str, shots: Path
) -> None:
    made = project.start("-m", "trader", "report", "day", script=project.python).finished()
    [report] = [Path(line) for line in re.findall(r"\S+\.html", made.out)]
    page = browser.new_page(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": 1440, "height": 900}
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((project.folder / report).as_uri())
    expect(page.locator("[data-chart] .main-svg").first).to_be_visible(timeout=_SEEN_MS)
    page.screenshot(path=shots / f"report-{scheme}.png", full_page=True)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert daemon.runs
