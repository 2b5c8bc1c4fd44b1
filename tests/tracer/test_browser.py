"""The dashboard in a real browser: readable, by keyboard, light and dark, and deaf to what prompts would have it do."""

from __future__ import annotations

import csv
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.app import serve
from llm_gateway_clickhouse_tracer.settings import TracerSettings
from llm_gateway_clickhouse_tracer.tracer import Tracer
from tracer_contexts import finished, user
from tracer_harness import Front, eventually
from tracer_samples import samples

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("site")
    front = Front(folder / "engine")
    front.start()
    yield {
        "clickhouse": {"url": front.url, "database": "traces"},
        "flushInterval": 200,
        "spool": {"path": str(folder / "spool"), "sending": "normal"},
    }
    front.kill()


@pytest.fixture
def tracer(config: dict[str, Any], tmp_path: Path) -> Iterator[Tracer]:
    """Another gateway's."""
    started = Tracer({**config, "spool": {"path": str(tmp_path / "spool"), "sending": "normal"}})
    started.start()
    yield started
    started.close()


@pytest.fixture(scope="module")
def site(config: dict[str, Any]) -> Iterator[str]:
    tracer = Tracer(config)
    tracer.start()
    recorded = [tracer.record(ctx) for ctx in samples()]
    eventually(lambda: tracer.counters.sent == len(recorded), 30)
    tracer.close()
    server = serve(TracerSettings.load(config), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, site: str) -> Iterator[Any]:
    """A page that fails its test on any error of a script, and on any request to elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    opened.on("request", lambda sent: troubles.append(sent.url) if not sent.url.startswith(site) else None)
    yield opened
    context.close()
    assert not troubles


def shoot(page: Any, name: str) -> None:
    """Keeps a picture in the folder of TRACER_SCREENSHOTS."""
    if folder := os.environ.get("TRACER_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_the_overview_shows_the_day_in_figures_and_pictures(page: Any, site: str) -> None:
    page.goto(f"{site}/?range=24h")

    assert page.locator(".tile .value").first.inner_text() == "306"
    assert page.locator("figure.chart canvas").count() == 8
    assert page.locator(".breakdowns").get_by_role("link", name="production").is_visible()
    shoot(page, "overview")


def test_a_tool_conversation_is_found_and_read_by_keyboard_alone(page: Any, site: str) -> None:
    page.goto(site)
    page.keyboard.press("i")
    page.wait_for_url("**/interactions*")
    page.keyboard.press("/")
    page.keyboard.type("umbrella")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=umbrella*")
    shoot(page, "search")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/interactions/*")

    bubbles = page.locator(".conversation .bubble").all_inner_texts()
    assert [text.split()[0].lower() for text in bubbles] == [
        *("system", "user", "assistant", "tool", "assistant", "tool", "assistant")
    ]
    assert "get_weather" in bubbles[2]
    assert "Storm 3000" in bubbles[-1]
    assert page.locator("details.round").count() == 3
    shoot(page, "conversation")


def test_attempts_losses_and_raw_bodies_can_be_looked_at(page: Any, site: str) -> None:
    page.goto(f"{site}/interactions/req-fallback")

    text = page.locator("details.round").inner_text()
    assert "503" in text
    assert "anthropic/claude-sonnet-4-5" in text
    assert "dropped logit_bias" in text
    page.get_by_text("raw request", exact=True).click()
    raw = page.locator("details.round > details", has_text="raw request").locator("pre").inner_text()
    assert '"role":"user"' in raw.replace(" ", "")
    shoot(page, "request")


def test_markup_in_prompts_stays_text(page: Any, site: str) -> None:
    for path in ("/interactions?range=24h", "/interactions/req-hostile"):
        page.goto(site + path)
        assert "owned" not in page.title()
        assert page.get_by_text("<script>").first.is_visible()
        assert page.locator("main script:not([src]), main img").count() == 0


def test_light_and_dark_can_be_switched_and_are_remembered(page: Any, site: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{site}/?range=24h")
    shoot(page, "overview-dark")
    dark = background(page)
    page.keyboard.press("t")
    light = background(page)
    page.reload()

    assert brightness(dark) < 60
    assert brightness(light) > 200
    assert background(page) == light


def test_help_opens_and_closes_by_key(page: Any, site: str) -> None:
    page.goto(site)
    page.keyboard.press("?")
    assert page.locator("dialog#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog#help").is_visible()


def test_a_click_on_a_row_opens_it_and_a_choice_filters(page: Any, site: str) -> None:
    page.goto(f"{site}/interactions?range=24h")
    page.get_by_label("Status").select_option("error")
    page.wait_for_url("**status=error*")
    assert set(page.locator("table.list .badge").all_inner_texts()) == {"error"}
    page.locator("table.list tbody tr").first.click(position={"x": 5, "y": 5})
    page.wait_for_url("**/interactions/req-*")


def test_the_export_is_one_json_object_per_line(page: Any, site: str) -> None:
    import json

    page.goto(f"{site}/interactions?range=24h")
    with page.expect_download() as started:
        page.get_by_role("link", name="Export as JSON lines").click()
    lines = Path(started.value.path()).read_text().splitlines()

    assert len(lines) == 306
    assert all(json.loads(line)["request_id"] for line in lines)


def test_a_narrow_window_does_not_scroll_sideways(page: Any, site: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    for path in ("/", "/interactions", "/interactions/req-fallback"):
        page.goto(site + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    shoot(page, "narrow")


def background(page: Any) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def brightness(colour: str) -> float:
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return (red + green + blue) / 3


SMALLEST_TEXT = """() => {
  const sizes = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    const box = node.parentElement;
    if (!node.textContent.trim() || !box.getClientRects().length) continue;
    const scale = box.ownerSVGElement ? box.getScreenCTM().a : 1;
    sizes.push([parseFloat(getComputedStyle(box).fontSize) * scale, node.textContent.trim().slice(0, 40)]);
  }
  return sizes.sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.mark.parametrize("width", [360, 1280, 1920])
@pytest.mark.parametrize("path", ["/?range=7d", "/interactions?range=7d", "/interactions/req-fallback"])
def test_no_text_is_smaller_than_11_pixels(page: Any, site: str, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(site + path)

    size, text = page.evaluate(SMALLEST_TEXT)
    assert size >= 11, text


def test_the_figure_of_errors_leads_to_as_many_requests(page: Any, site: str) -> None:
    page.goto(site + "/?range=7d")
    tile = page.locator("a.tile", has_text="Errors")
    reported = int(tile.locator(".note").inner_text().split()[0])
    tile.click()

    assert "status=failed" in page.url
    found = int(page.locator("h1 small").inner_text().split()[0])
    assert 0 < found <= reported
    outcomes = page.locator("table.list .badge").all_inner_texts()
    assert "ok" not in outcomes


def test_each_tile_leads_to_the_requests_that_it_counts(page: Any, site: str) -> None:
    page.goto(site + "/?range=7d")
    targets = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.href || '')")

    assert len(targets) == 7
    for target in targets:
        assert "/interactions?" in target
        page.goto(target)
        assert page.locator("table.list tbody tr").count() > 0 or "status=failed" in target


@pytest.mark.parametrize("order", ["first", "requests"])
def test_columns_that_are_not_shown_at_first_sort_too(page: Any, site: str, order: str) -> None:
    page.goto(f"{site}/interactions?range=7d&sort={order}")

    assert page.locator("table.list tbody tr").count() > 2


@pytest.mark.parametrize(("column", "order"), [("Time", "slowest"), ("Cost", "dearest"), ("Tokens", "longest")])
def test_columns_sort(page: Any, site: str, column: str, order: str) -> None:
    page.goto(site + "/interactions?range=7d")
    page.click(f"th a:has-text('{column}')")

    assert f"sort={order}" in page.url
    assert page.locator("th[aria-sort=descending]").inner_text().startswith(column)
    assert page.locator("table.list tbody tr").count() > 2


def test_models_projects_and_callers_are_links(page: Any, site: str) -> None:
    page.goto(site + "/interactions?range=7d")
    name = page.locator("td[data-name=Model] a").first.inner_text()
    page.locator("td[data-name=Model] a").first.click()

    assert "model=" in page.url
    assert set(page.locator("td[data-name=Model] a").all_inner_texts()) >= {name}


def test_times_are_shown_in_the_chosen_zone(page: Any, site: str) -> None:
    page.goto(site + "/interactions?range=7d")
    assert "times in UTC" in page.locator(".moments summary").inner_text()
    utc = page.locator("table.list time").first.inner_text()
    page.goto(site + "/interactions?range=7d&tz=Asia/Tokyo")

    assert "times in Asia/Tokyo" in page.locator(".moments summary").inner_text()
    assert page.locator("table.list time").first.inner_text() != utc


def test_last_week_is_one_click_away(page: Any, site: str) -> None:
    page.goto(site + "/?range=24h")
    page.locator(".moments summary").click()
    page.get_by_role("link", name="last week").click()

    assert "since=" in page.url
    assert page.locator('[aria-label="Time range"] [aria-current]').count() == 0
    assert page.locator('[aria-label="Calendar"] [aria-current]').inner_text() == "last week"
    page.get_by_role("link", name="24h").click()
    assert "since=" not in page.url


def test_what_was_searched_for_is_marked(page: Any, site: str) -> None:
    page.goto(site + "/interactions?range=7d&q=umbrella")

    marks = page.locator("mark").all_inner_texts()
    assert marks
    assert {mark.lower() for mark in marks} == {"umbrella"}


def test_a_phone_shows_cards_that_do_not_scroll_sideways(page: Any, site: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(site + "/interactions?range=7d")

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.querySelector('.list').scrollWidth <= document.querySelector('.scroll').clientWidth")
    assert page.locator("td[data-name=Cost]").first.is_visible()


def test_a_range_of_the_readers_own(page: Any, site: str) -> None:
    page.goto(site + "/interactions?since=2001-01-01T00:00&until=2001-01-02T00:00")
    assert "No requests here" in page.inner_text("main")
    page.goto(site + "/?since=2001-01-01T00:00")
    assert page.locator("a.tile .value").first.inner_text() != "0"


def chart(page: Any, title: str) -> Any:
    return page.locator("figure.chart", has=page.get_by_text(title, exact=True))


def test_a_chart_is_read_by_keys_and_leads_to_what_it_counts(page: Any, site: str) -> None:
    page.goto(f"{site}/?range=24h")
    plot = chart(page, "Requests").get_by_role("img")
    assert "ok from" in plot.get_attribute("aria-label")
    plot.focus()
    page.keyboard.press("Home")
    figures = page.locator(".tooltip:visible").inner_text().splitlines()
    page.keyboard.press("End")
    assert page.locator(".tooltip:visible").inner_text().splitlines()[0] != figures[0]
    page.keyboard.press("Home")
    requests = sum(int(line.split()[-1]) for line in figures[1:])
    page.keyboard.press("Enter")
    page.wait_for_url("**since=*until=*")

    assert 0 < int(page.locator("h1 small").inner_text().split()[0]) <= requests


def test_a_chart_shows_its_figures_under_the_pointer_and_zooms_by_dragging(page: Any, site: str) -> None:
    page.goto(f"{site}/?range=24h")
    over = chart(page, "Time to first token").locator(".u-over")
    box = over.bounding_box()
    over.hover(position={"x": box["width"] / 2, "y": 40})
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_url("**since=*until=*")

    assert page.locator("h1").inner_text() == "Overview"
    since, until = (re.search(rf"{name}=([^&]+)", page.url)[1] for name in ("since", "until"))  # type: ignore[index]
    assert since < until


def test_a_span_is_chosen_by_keys_too(page: Any, site: str) -> None:
    page.goto(f"{site}/?range=24h")
    chart(page, "Cost").get_by_role("img").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**since=*until=*")

    assert page.locator("h1").inner_text() == "Overview"


def test_a_click_on_a_bar_opens_what_it_counts(page: Any, site: str) -> None:
    page.goto(f"{site}/?range=24h")
    figure = chart(page, "Requests")
    wanted = figure.locator("tbody tr", has=page.locator("td a[href*='status=ok']")).first
    row = wanted.evaluate("row => [...row.parentElement.rows].indexOf(row)")
    requests = wanted.locator("td").first.text_content()
    left, top = figure.evaluate(
        """(figure, row) => {
          const { start, points } = JSON.parse(figure.querySelector("script").textContent), u = figure.plot;
          const bucket = u.data[0][1] - u.data[0][0];
          return [u.valToPos(points[row][0] + bucket / 2, "x"), u.valToPos(points[row][1] / 2, "y")];
        }""",
        row,
    )
    figure.locator(".u-over").click(position={"x": left, "y": top})
    page.wait_for_url("**status=ok*")

    assert "since=" in page.url
    assert 0 < int(page.locator("h1 small").inner_text().split()[0]) <= int(requests)


def test_series_are_switched_off_and_on_and_stay_so_after_a_reload(page: Any, site: str) -> None:
    page.goto(f"{site}/?range=24h")
    figure = chart(page, "Latency")
    top = "figure => figure.plot.scales.y.max"
    whole = figure.evaluate(top)
    figure.get_by_role("button", name="p99").click()
    figure.get_by_role("button", name="p95").click()
    assert figure.evaluate(top) < whole
    page.reload()

    figure = chart(page, "Latency")
    assert figure.get_by_role("button", name="p99").get_attribute("aria-pressed") == "false"
    assert figure.evaluate(top) < whole
    figure.get_by_role("button", name="p50").click(modifiers=["Control"])
    assert figure.evaluate(top) == whole, "alone it was already, so all are shown"


def test_a_chart_follows_its_zone_width_and_theme(page: Any, site: str) -> None:
    page.goto(f"{site}/?range=24h&tz=Asia/Tokyo")
    figure = chart(page, "Requests")
    assert "Asia/Tokyo" in figure.locator("th").first.text_content()
    assert min(figure.evaluate("figure => figure.plot.axes.map((axis) => axis.font[1] / devicePixelRatio)")) >= 11
    before = figure.locator("canvas").bounding_box()["width"]
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_function("figure => Math.abs(figure.plot.width - figure.querySelector('.plot').clientWidth) < 2",
                           arg=figure.element_handle())  # fmt: skip
    assert figure.locator("canvas").bounding_box()["width"] != before
    stroke = "figure => figure.plot.axes[0].stroke()"
    light = figure.evaluate(stroke)
    page.keyboard.press("t")
    assert figure.evaluate(stroke) != light


def test_columns_are_chosen_and_remembered(page: Any, site: str) -> None:
    page.goto(f"{site}/interactions?range=7d")
    page.locator("#columns summary").click()
    page.locator("#columns input[value=provider]").check()
    page.locator("#columns input[value=cost]").uncheck()
    page.reload()

    assert page.locator("td[data-col=provider]").first.is_visible()
    assert not page.locator("td[data-col=cost]").first.is_visible()
    page.goto(f"{site}/interactions?range=7d&columns=started,cost")
    assert page.locator("th:visible").count() == 3


def test_new_interactions_appear_by_themselves(page: Any, site: str, tracer: Tracer) -> None:
    page.goto(f"{site}/interactions?range=7d&project=live")
    assert "No requests here" in page.inner_text("main")
    tracer.record(finished("req-live-1", messages=[user("The first one")], project="live"))
    eventually(lambda: tracer.counters.sent == 1)
    page.reload()
    page.locator("#tail").check()
    page.wait_for_timeout(500)
    tracer.record(finished("req-live-2", messages=[user("A new one <b>")], project="live"))

    page.locator("tr.new").wait_for(timeout=20_000)
    assert "A new one <b>" in page.locator("table.list tbody tr").first.inner_text()
    assert page.locator("table.list tbody tr").count() == 2
    page.locator("#tail").uncheck()


def test_requests_are_exported_as_csv(page: Any, site: str) -> None:
    page.goto(f"{site}/interactions?range=24h&status=error")
    with page.expect_download() as started:
        page.get_by_role("link", name="Export as CSV").click()
    rows = list(csv.DictReader(Path(started.value.path()).read_text().splitlines()))

    assert rows
    assert {row["status"] for row in rows} == {"error"}
