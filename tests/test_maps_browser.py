"""The page of maps in a browser: quiet, accessible, and series are chosen, labelled and downloaded in three ways."""

import copy
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tests.conftest import CONFIG
from tests.test_embeddings import FAST, NASTY, named_tables


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = named_tables()
    run = tabcli.train(tabcli.prep(copy.deepcopy(CONFIG), tables), overrides=[*FAST, "train.members=2"])
    out = tmp_path_factory.mktemp("maps") / "out"
    places = pd.DataFrame({"shop": [f"shop {i}" for i in range(2, 7)], "lat": range(5), "lon": [3, 1, 4, 1, 5]})
    labels = pd.DataFrame({"shop": ["shop 2", "shop 3", "shop 5", "shop 6"], "label": ["a", "a", "b", "b"]})
    tabcli.embeddings(run, out, data=tables, beside=[places], labels=labels)
    return out / "embeddings.html"


@pytest.fixture
def opened(browser: Any, page_path: Path) -> Iterator[Any]:
    """Opens the page in a context of its own, which keeps what it says and asks for."""
    contexts = []

    def open_page(width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 1000}, **options)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(page_path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_quiet_fits_and_is_accessible(opened: Any, page_path: Path, width: int, theme: str) -> None:
    page = opened(width, color_scheme=theme, bypass_csp=True)
    for more in page.locator("details").all():
        more.evaluate("node => { node.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.said == []
    assert page.asked == [page_path.as_uri()]
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 15
    assert [(v["impact"], v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def places_of(page: Any) -> list[tuple[float, float]]:
    boxes = [c.bounding_box() for c in page.locator("#m0 circle").all()]
    return [(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for b in boxes]


def downloaded(page: Any) -> pd.DataFrame:
    with page.expect_download() as found:
        page.click("#download")
    assert found.value.suggested_filename == "labels.csv"
    return pd.read_csv(found.value.path())


def names_of(page: Any) -> list[str]:
    return [str(t).split(": ")[0] for t in page.locator("#m0 circle title").all_text_contents()]


def test_a_click_and_a_line_around_choose_and_labels_are_downloaded(opened: Any) -> None:
    page = opened()
    page.locator("#m0 svg").scroll_into_view_if_needed()
    names, places = names_of(page), places_of(page)
    page.mouse.click(*places[names.index(NASTY)])
    assert page.locator("#m0 circle.chosen").count() == 1
    assert page.locator("#said").inner_text().startswith(f"Chosen: {NASTY}. Nearest: ")
    assert np.array(places_of(page)) == pytest.approx(np.array(places), abs=0.1)  # the map stays where it is
    page.fill("#label", 'large, "L"')
    page.click("#give")
    assert page.locator("#m0 circle.labelled").count() == 1

    box = page.locator("#m0 svg").bounding_box()
    middle = box["x"] + box["width"] / 2
    left = sorted(n for n, (x, _) in zip(names, places, strict=True) if x < middle)
    assert 0 < len(left) < len(names)
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    for x, y in (
        (middle, box["y"] + 2),
        (middle, box["y"] + box["height"] - 2),
        (box["x"] + 2, box["y"] + box["height"] - 2),
    ):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    assert page.locator("#said").inner_text().startswith(f"{len(left)} chosen: ")
    page.fill("#label", "left")
    page.click("#give")
    labels = downloaded(page)
    assert sorted(labels.loc[labels["label"] == "left", "shop"]) == left
    assert set(labels["shop"]) == {*left, NASTY}
    assert page.said == []


def test_all_of_it_works_with_the_keyboard(opened: Any) -> None:
    page = opened()
    page.focus("#find")
    page.keyboard.type("SHOP 4")
    page.keyboard.press("Enter")
    assert page.locator("#said").inner_text().startswith("Chosen: shop 4.")
    page.focus("#m0 svg")
    names, places = names_of(page), places_of(page)
    here = places[names.index("shop 4")]
    way, sign = ("ArrowLeft", -1) if any(x < here[0] - 60 for x, _ in places) else ("ArrowRight", 1)
    page.keyboard.press(way)
    reached = page.locator("#said").inner_text().split(". ")[0]
    assert reached != "shop 4"
    assert sign * (places[names.index(reached)][0] - here[0]) > 0
    page.keyboard.press(" ")
    assert page.locator("#m0 circle.chosen").count() == 2
    page.focus("#give")
    page.keyboard.press("Enter")
    assert sorted(downloaded(page)["shop"]) == sorted(["shop 4", reached])
    page.focus("#none")
    page.keyboard.press("Enter")
    assert page.locator("#said").inner_text() == "Nothing is chosen."
    page.fill("#find", "nobody")
    page.click("#choose")
    assert page.locator("#said").inner_text() == "No series is called nobody."


def test_colours_change_without_scripts(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("#label-by-looking").is_hidden()
    circle = page.locator("#m0 circle").first

    def fill() -> str:
        return str(circle.evaluate("node => getComputedStyle(node).fill"))

    page.locator("#m0 input").nth(0).check()
    usual = fill()
    page.locator("#m0 input").nth(1).check()
    assert fill() != usual
    assert page.locator("#m0 .legend-b").is_visible()
    assert page.locator("#m0 .legend-a").is_hidden()
    assert page.locator("table").count() > 5


def test_a_finger_chooses_and_the_page_still_scrolls(opened: Any) -> None:
    page = opened(360, has_touch=True, is_mobile=True)
    page.locator("#m0 svg").scroll_into_view_if_needed()
    page.touchscreen.tap(*places_of(page)[2])
    assert page.locator("#m0 circle.chosen").count() == 1
    assert page.locator("#m0 svg").evaluate("node => getComputedStyle(node).touchAction") == "auto"
    page.click("#lasso")
    assert page.locator("#m0 svg").evaluate("node => getComputedStyle(node).touchAction") == "none"
    assert page.locator("#lasso").get_attribute("aria-pressed") == "true"
