"""Pages as a browser shows them: nothing on the console, no request, no sideways scroll, accessible, printable."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import tabcli
from tests.conftest import CONFIG
from tests.test_report import FEW, long_tables

PHONE, DESKTOP = 360, 1280


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a run, and what it shows without tables."""
    folder, tables = tmp_path_factory.mktemp("pages"), long_tables()
    run = tabcli.train(tabcli.prep(CONFIG, tables), overrides=[*FEW, "train.epochs=1"])
    tabcli.report(run, tables, folder / "report.html")
    tabcli.report(run, out=folder / "bare.html")
    tabcli.compare(run, run, tables, folder / "two.html")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Any:
    """Opens a page in a context of its own; the page's `said`, `asked` and `got` keep what it says and asks for."""
    contexts = []

    def open_page(name: str, width: int = DESKTOP, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked, page.got = [], [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("requestfinished", lambda request: page.got.append(request.url))
        page.goto(pages[name].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


CASES = [("report", width, theme) for width in (PHONE, DESKTOP) for theme in ("light", "dark")]


@pytest.mark.parametrize(("name", "width", "theme"), [*CASES, ("bare", PHONE, "dark"), ("two", PHONE, "light")])
def test_a_page_is_quiet_fits_and_is_accessible(
    opened: Any, pages: dict[str, Path], name: str, width: int, theme: str
) -> None:
    page = opened(name, width, color_scheme=theme, bypass_csp=True)
    for more in page.locator("details").all():  # also what is behind a click
        more.evaluate("node => { node.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.said == []
    assert page.asked == [pages[name].as_uri()]
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    assert [(v["impact"], v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_the_policy_holds(opened: Any) -> None:
    page = opened("report")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/x.png\">')")
    page.evaluate("document.body.appendChild(document.createElement('script')).textContent = 'window.ran = 1'")
    assert page.evaluate("window.ran") is None
    assert page.got == page.asked[:1]
    assert sum("Content Security Policy" in text for text in page.said) == 2


def test_a_series_is_found_by_its_name(opened: Any) -> None:
    page = opened("report")
    box, status, chart = page.locator("#series"), page.locator("#series-status"), page.locator("#series-chart")
    box.fill("shop 4")
    assert re.match(r"shop shop 4, the 7 days from 2021-07-28: [\d,]+ \(80 times of 100 within", status.inner_text())
    assert chart.locator("svg path.forecast-line").get_attribute("d").count("L") > 10
    assert chart.locator("svg path.past-line").get_attribute("d").count("L") > 10
    assert chart.locator("svg rect.band").count() > 10
    assert re.fullmatch(r"Why [+−]\d+\s% on the seven days before", chart.locator("h3").inner_text())
    assert "promo (on 3 days, 2 the week before)" in chart.locator("tbody").first.inner_text()
    assert chart.locator("tbody").nth(1).locator("tr").count() == 3
    assert re.match(r"Past forecasts of this series were off by \d+\s%", chart.locator("p").first.inner_text())
    assert "2021-08-11, 6 days" in chart.inner_text()
    box.fill("<script>")
    assert status.inner_text().startswith('shop <script>alert("1")</script>')
    box.fill("no such shop")
    assert status.inner_text() == "no series is called no such shop"
    assert chart.inner_html() == ""
    assert page.said == []


def test_without_scripts_all_but_the_search_is_there(opened: Any) -> None:
    page = opened("report", java_script_enabled=False)
    assert "the next 20 days" in page.locator("h1").inner_text()
    assert not page.locator("#series-search").is_visible()
    assert page.locator("figure svg").first.is_visible()
    numbers = page.locator("figure details").first
    assert not numbers.locator("table").is_visible()
    numbers.locator("summary").click()
    assert numbers.locator("table").is_visible()


def test_a_phone_shows_the_narrow_charts_and_paper_few_pages(opened: Any) -> None:
    page = opened("report", PHONE)
    assert page.locator("figure .narrow svg").first.is_visible()
    assert not page.locator("figure .wide svg").first.is_visible()
    printed = page.pdf(format="A4")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) <= 12
