"""The report: its numbers against hand computation, and a page that is whole, safe and the same each time."""

import base64
import dataclasses
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabcli
from tabcli.api.report import ReportResult
from tabcli.bundle.directories import load_run
from tabcli.cli.app import app
from tabcli.config.data import Table
from tabcli.config.schema import ONE_SERIES
from tabcli.reports.card_html import html_of, sections_of
from tabcli.reports.drift import drift_in
from tests.conftest import CONFIG, HORIZON, START, make_tables

NASTY = "<script>alert(\"1\")</script> & 'x' $y$"
"""A name of a series that would be code in a careless page."""

FEW = ("train.epochs=2", "calibration.windows=1", "calibration.metric=none")


def long_tables() -> dict[str, pd.DataFrame]:
    """Tables whose past covers the same days last year, with a nasty name."""
    tables = make_tables()
    past, names = tables["train"], {k: NASTY if k == 1 else f"shop {k}" for k in range(1, 7)}
    older = past[past["day"] < START + pd.Timedelta(days=182)]
    older = older.assign(day=older["day"] - pd.Timedelta(days=182), units=2 * older["units"])
    tables["train"] = pd.concat([past, older], ignore_index=True)
    for table in tables.values():
        table["shop"] = table["shop"].map(names)
    return tables


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return long_tables()


@pytest.fixture(scope="module")
def run(tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two past windows, the validation rows among them."""
    out = tmp_path_factory.mktemp("report") / "run"
    tabcli.train(tabcli.prep(CONFIG, tables), out, overrides=FEW)
    return out


@pytest.fixture(scope="module")
def made(run: Path, tables: dict[str, pd.DataFrame]) -> ReportResult:
    return tabcli.report(run, tables)


class Page(HTMLParser):
    """The elements of a page, each with its attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


# ------------------------------------------------------------------------------------------- numbers


def test_the_sentence_is_that_of_a_hand_computation(made: ReportResult, run: Path, tables: dict[str, Any]) -> None:
    forecast = tabcli.predict(run, tables, totals=["chain"], columns=["shop", "day"])
    assert forecast.totals is not None
    total = forecast.totals.iloc[0]
    known = tables["train"].set_index(["shop", "day"])["units"]
    then = sum(
        known.get((shop, day - pd.Timedelta(days=364)), 0)
        for shop, day in zip(forecast.table["shop"], forecast.table["day"], strict=True)
    )
    head = made.numbers.findings.headline
    assert head is not None
    assert (head.value, head.low, head.high) == tuple(total[["units", "units_lo80", "units_hi80"]])
    assert head.last_year == then > 0
    assert head.change == pytest.approx(forecast.table["units"].sum() / then - 1)
    half, percent = (total["units_hi80"] - total["units_lo80"]) / 2, round(100 * abs(head.change or 0))
    assert head.change is not None
    assert head.change < 0
    text = f"units, the next {HORIZON} days: {total['units'] / 1000:.1f} k ± {half:,.2g}"
    if half >= 1000:
        text = f"units, the next {HORIZON} days: {total['units'] / 1000:.1f} k ± {half / 1000:.1f} k"
    else:
        text = f"units, the next {HORIZON} days: {total['units'] / 1000:.1f} k ± {float(f'{half:.2g}'):.0f}"
    assert made.sentence == f"{text}, {percent} % below the same days last year."


def test_sums_by_day_and_series_are_those_of_predict(made: ReportResult, run: Path, tables: dict[str, Any]) -> None:
    totals = tabcli.predict(run, tables, totals=["day", "shop"]).totals
    assert totals is not None
    days = totals[totals["total"] == "day"]
    coming = [s for s in made.numbers.findings.chain if s.window < 0]
    assert [s.start for s in coming] == [str(d.date()) for d in days["start"]]
    np.testing.assert_array_equal([s.forecast for s in coming], days["units"])
    np.testing.assert_array_equal([s.low for s in coming], days["units_lo80"])
    shops = totals[totals["total"] == "shop"].set_index("group")
    for series in made.numbers.findings.series:
        assert series.value == pytest.approx(shops.loc[series.name, "units"])
        assert (series.low, series.high) == tuple(shops.loc[series.name, ["units_lo80", "units_hi80"]])


def test_past_windows_are_judged_as_their_rows_say(made: ReportResult, run: Path) -> None:
    past = load_run(run).past
    assert past is not None
    judged = made.numbers.judged
    assert judged is not None
    assert judged.whole.rows == len(past)
    assert judged.whole.actual == past["actual"].sum()
    assert judged.whole.bias == pytest.approx(judged.whole.forecast / judged.whole.actual - 1)
    assert [s.rows for s in judged.by["past window"]] == past.groupby("window").size().tolist()
    assert judged.whole.held is not None
    assert {"weekday", "steps ahead", "kind", "promo"} <= judged.by.keys()
    assert "shop" not in judged.by
    assert {s.name for s in judged.by["kind"]} == {"x", "y"}
    assert {s.name for s in judged.by["promo"]} == {"0", "1"}
    for scores in judged.by.values():
        assert sum(s.rows for s in scores) <= len(past)
    of_kind = past["actual"][past["series"].isin([0, 3, 5])].sum()
    assert judged.by["kind"][0].actual == of_kind


def test_a_series_that_departs_and_one_that_erred_are_named(run: Path, tables: dict[str, pd.DataFrame]) -> None:
    rows = tabcli.predict(run, tables).table
    shop = tables["future"].set_index("row")["shop"]
    changed = rows.assign(units=rows["units"].where(rows["row"].map(shop) != "shop 4", 9 * rows["units"]))
    found = tabcli.report(run, tables, forecast=changed).numbers.findings
    assert found.departed[0].name == "shop 4"
    assert re.fullmatch(r"[+−]\d+ % against the same days last year \(.+ after .+\)", found.departed[0].why)
    erred = [look.name for look in found.erred]
    both = [look.name for look in found.departed if look.name in erred]
    assert 1 <= len(found.ask) <= 3
    assert list(found.ask[: len(both)]) == both[:3]
    assert found.headline is not None
    assert found.headline.value == pytest.approx(changed["units"].sum(), rel=1e-4)
    with pytest.raises(tabcli.DataError, match="of 120 rows to forecast have no number of 'units' there"):
        tabcli.report(run, tables, forecast=changed.iloc[3:])


# ---------------------------------------------------------------------------------------------- page


def test_two_makings_give_the_same_bytes(made: ReportResult, run: Path, tables: dict[str, pd.DataFrame]) -> None:
    again = tabcli.report(run, tables)
    assert again.html == made.html
    assert again.charts[0].png() == made.charts[0].png()


def test_the_policy_names_the_one_script_and_nothing_is_asked_for(made: ReportResult) -> None:
    page = Page(made.html)
    policy = next(a["content"] for tag, a in page.found if a.get("http-equiv") == "Content-Security-Policy")
    scripts = re.findall(r"<script>(.*?)</script>", made.html, flags=re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert scripts[0].count("\n") < 200
    assert [a for tag, a in page.found if tag == "script"] == [{"type": "application/json", "id": "series-data"}, {}]
    for tag, attributes in page.found:
        assert not {k for k in attributes if k.startswith("on")}, tag
        assert tag not in {"link", "img", "iframe", "object", "base", "form"}
        for name in ("src", "href", "xlink:href", "action"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    assert "@import" not in made.html
    assert not re.search(r"url\((?!#)", made.html)


def test_names_of_users_are_text_everywhere(made: ReportResult) -> None:
    assert "alert(" in made.html
    assert "<script>alert" not in made.html
    assert NASTY in "".join(Page(made.html).texts)
    block = re.search(r'<script type="application/json" id="series-data">(.*?)</script>', made.html, flags=re.DOTALL)
    assert block is not None
    assert NASTY in json.loads(block[1])["names"]


def test_the_numbers_that_the_script_draws_are_the_forecast(
    made: ReportResult, run: Path, tables: dict[str, Any]
) -> None:
    drawn = made.numbers.drawable
    table = np.frombuffer(base64.b64decode(drawn.numbers), dtype="<i2").reshape(len(drawn.names), -1).astype(float)
    table = np.where(table == -32768, np.nan, table) * np.array(drawn.units)[:, None]
    assert table.shape[1] == 2 * drawn.n_past + 3 * HORIZON
    assert len(drawn.dates) == drawn.n_past + HORIZON
    k = drawn.names.index("shop 3")
    rows = tabcli.predict(run, tables, intervals=[0.8], columns=["shop", "day"]).table
    own = rows[rows["shop"] == "shop 3"].sort_values("day")
    for i, column in enumerate(("units", "units_lo80", "units_hi80")):
        np.testing.assert_allclose(table[k, 2 * drawn.n_past :].reshape(3, -1)[i], own[column], atol=drawn.units[k])
    train = tables["train"]
    last = train[(train["shop"] == "shop 3") & (train["day"] == train["day"].max())]
    assert table[k, drawn.n_past - 1] == pytest.approx(float(last["units"].iloc[0]), abs=drawn.units[k])


def test_headings_are_in_order_and_each_chart_has_words_and_a_table(made: ReportResult) -> None:
    found = Page(made.html).found
    levels = [int(tag[1]) for tag, _ in found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    ids = [a["id"] for _, a in found if "id" in a]
    assert len(ids) == len(set(ids))
    assert len(made.charts) >= 3
    for chart in made.charts:
        assert len(chart.rows) > 1
        assert {len(row) for row in chart.rows} == {len(chart.header)}
        for _, svg in chart.inline():
            assert svg in made.html
            assert 'role="img" aria-labelledby=' in svg
            assert "<title " in svg
            assert "<desc " in svg
    figures = re.findall(r"<figure>.*?</figure>", made.html, flags=re.DOTALL)
    assert len(figures) == len(made.charts)
    assert all("<table>" in figure and "<details>" in figure for figure in figures)
    assert '<html lang="en">' in made.html


# ------------------------------------------------------------------------------- other kinds, commands


def test_the_command_writes_page_numbers_and_plots(run: Path, tables: dict[str, Any], tmp_path: Path) -> None:
    for name, spec in CONFIG["tables"].items():
        tables[name].to_csv(tmp_path / spec["file"], index=False)
    words = ["report", run, "--data", tmp_path, "--out", tmp_path / "r.html"]
    more = ["--json", tmp_path / "r.json", "--plots", tmp_path / "plots"]
    done = CliRunner().invoke(app, [*map(str, words + more)])
    assert done.exit_code == 0, done.output
    numbers = json.loads((tmp_path / "r.json").read_text())
    assert done.stdout.splitlines()[0] == numbers["findings"]["sentence"]
    assert numbers["schema_version"] == 1
    assert sorted(p.suffix for p in (tmp_path / "plots").iterdir()) == sorted([".png", ".svg"] * 5)
    assert (tmp_path / "plots" / "chain.svg").read_text().startswith("<?xml")
    for wrong, code in (
        ([run, "--data", tmp_path, "--out", tmp_path / "r.txt"], 2),
        ([tmp_path / "none", "--data", tmp_path, "--out", tmp_path / "r.html"], 5),
        ([run, "--data", tmp_path / "none", "--out", tmp_path / "r.html"], 4),
    ):
        done = CliRunner().invoke(app, ["report", *map(str, wrong)])
        assert done.exit_code == code, done.output
        assert "error: " in done.stderr


def one_kind(step: str, n: int, series: bool = True) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """A table of one number with a season, each `step`; with or without a series column, and no future table."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2018-01-01", periods=n, freq=step, unit="us")
    parts = []
    for name in ("a", "b") if series else ("a",):
        level = 100 + 20 * np.sin(np.arange(n) / 4)
        parts.append(pd.DataFrame({"name": name, "when": days, "sold": np.round(level * rng.uniform(0.9, 1.1, n), 2)}))
    config = {
        "format_version": 1,
        "tables": {"train": {"file": "t.csv"}},
        "series": ["name"] if series else [],
        "date": "when",
        "target": {"column": "sold"},
        "forecast": {"floor": "off"},
        "features": {"date_parts": ["when"]},
        "categorical": ["name"] if series else [],
        "continuous": ["whenElapsed", "whenDayofyear"],
        "model": {"layers": [8]},
        "train": {"epochs": 1, "batch_size": 64},
    }
    table = pd.concat(parts, ignore_index=True)
    return config, {"train": table if series else table.drop(columns="name")}


@pytest.mark.parametrize(
    ("step", "n", "horizon", "words"),
    [("W-MON", 160, "8w", "next 8 weeks"), ("MS", 60, "6mo", "next 6 months"), ("h", 24 * 30, "24h", "next 24 hours")],
)
def test_weeks_months_and_hours(step: str, n: int, horizon: str, words: str) -> None:
    config, tables = one_kind(step, n)
    run = tabcli.train(
        tabcli.prep({**config, "validation": {"last": horizon}}, tables), overrides=["calibration.windows=1"]
    )
    made = tabcli.report(run, tables)
    assert words in made.sentence
    head = made.numbers.findings.headline
    assert head is not None
    assert ("last year" in made.sentence) == (step != "h")
    assert head.n_series == 2
    assert made.numbers.findings.chain[-1].low is not None
    assert "month" in made.numbers.judged.by if step != "h" else "hour of the day" in made.numbers.judged.by  # type: ignore[union-attr]


def test_one_series_without_a_series_column_and_a_run_without_past_windows() -> None:
    config, tables = one_kind("D", 420, series=False)
    prepared = tabcli.prep({**config, "validation": {"last": "14d"}}, tables)
    run = tabcli.train(prepared, overrides=["calibration.windows=1"])
    made = tabcli.report(run, tables)
    assert ONE_SERIES not in made.html
    assert made.numbers.findings.headline is not None
    assert made.numbers.findings.headline.n_series == 1
    assert made.numbers.findings.departed == ()
    assert made.numbers.findings.series[0].low == made.numbers.findings.headline.low

    bare = dataclasses.replace(run.run, past=None)
    without = tabcli.report(bare, {"train": tables["train"]})
    assert "±" not in without.sentence
    assert without.numbers.judged is None
    assert "This run keeps no forecasts of past windows" in without.html
    assert any("nothing says how sure" in note for note in without.numbers.findings.notes)


# -------------------------------------------------------------------------------------- weeks, what is planned


def test_weeks_of_a_series_are_its_rows_seven_days_each(made: ReportResult, run: Path, tables: dict[str, Any]) -> None:
    rows = tabcli.predict(run, tables, columns=["shop", "day"]).table
    first, train = rows["day"].min(), tables["train"]
    recent = train[train["day"].between(first - pd.Timedelta(days=7), first - pd.Timedelta(days=1))]
    for series in made.numbers.findings.series:
        own = rows[rows["shop"] == series.name]
        sums = own.groupby((own["day"] - first).dt.days // 7)["units"].sum()
        assert [w.days for w in series.weeks] == [7, 7, 6]
        np.testing.assert_allclose([w.value for w in series.weeks], sums, rtol=1e-5)
        assert all(w.low is not None and w.high is not None and w.low <= w.value <= w.high for w in series.weeks)
        assert series.week_before == recent.loc[recent["shop"] == series.name, "units"].sum()
    coming = [s for s in made.numbers.findings.weeks if s.window < 0]
    assert len(coming) == 2  # the last six days are no whole week
    assert coming[0].forecast == pytest.approx(sum(s.weeks[0].value for s in made.numbers.findings.series), rel=1e-4)
    past = [s for s in made.numbers.findings.weeks if s.window >= 0]
    assert len(past) == 4
    assert all(s.actual is not None for s in past)


def test_what_is_planned_is_counted_beside_last_year(made: ReportResult, tables: dict[str, Any]) -> None:
    future, known = tables["future"], tables["train"].set_index(["shop", "day"])
    planned = {p.name: p for p in made.numbers.planned}
    assert list(planned) == ["Promo", "Closed", "holiday a"]  # open is what Closed is not
    assert planned["holiday a"].rows == 0
    assert (planned["holiday a"].rows_then or 0) > 0
    promo = planned["Promo"]
    assert (promo.rows, promo.share) == (int(future["promo"].sum()), future["promo"].mean())
    assert promo.steps == future.loc[future["promo"] == 1, "day"].nunique()
    keys = zip(future["shop"], future["day"] - pd.Timedelta(days=364), strict=True)
    assert promo.rows_then == sum(known["promo"].get(key, 0) for key in keys)
    assert planned["Closed"].value == 0.0
    text = made.html[: made.html.index("<main")]
    assert "Already in the number" in text
    assert text.index("Promo") < text.index("Closed")


def test_a_series_that_was_shut_last_year_is_not_compared(run: Path, tables: dict[str, pd.DataFrame]) -> None:
    shut = {name: table.copy() for name, table in tables.items()}
    days = shut["future"]["day"] - pd.Timedelta(days=364)
    then = shut["train"]["day"].between(days.min(), days.max()) & (shut["train"]["shop"] == "shop 5")
    assert then.sum() == HORIZON
    shut["train"].loc[then & (shut["train"].index % 3 > 0), ["units", "open"]] = 0
    before, after = (tabcli.report(run, t).numbers.findings for t in (tables, shut))
    assert before.headline is not None
    assert after.headline is not None
    assert (before.headline.alike, before.headline.shut, after.headline.alike, after.headline.shut) == (6, 0, 5, 1)
    own = next(s for s in before.series if s.name == "shop 5")
    assert own.before is not None
    assert before.headline.last_year == pytest.approx((after.headline.last_year or 0) + own.before)
    assert next(s for s in after.series if s.name == "shop 5").change is None
    assert "in the 5 series that were open then" in after.sentence
    assert "shop 5" not in {look.name for look in after.departed}


def test_series_whose_names_join_alike_have_bounds_of_their_own() -> None:
    config, tables = one_kind("D", 200)
    rng = np.random.default_rng(1)
    keys = [("a, b", "c", 1.0), ("a", "b, c", 5.0), ("a · b", "c", 20.0), ("a", "b · c", 50.0)]
    parts = [tables["train"][tables["train"]["name"] == "a"].assign(name=n, part=p) for n, p, _ in keys]
    for part, (_, _, level) in zip(parts, keys, strict=True):
        part["sold"] *= level * rng.uniform(0.9, 1.1, len(part))
    config = {**config, "series": ["name", "part"], "categorical": ["name", "part"], "validation": {"last": "14d"}}
    table = {"train": pd.concat(parts, ignore_index=True)}
    run = tabcli.train(tabcli.prep(config, table), overrides=["calibration.windows=1"])
    found = tabcli.report(run, table).numbers.findings.series
    assert len(found) == 4
    totals = tabcli.predict(run, table, horizon="14d", totals=["name,part"]).totals
    assert totals is not None
    assert len(totals) == 4
    columns = (totals[c].tolist() for c in ("sold", "sold_lo80", "sold_hi80"))
    ends = {f"{value:.4g}": (low, high) for value, low, high in zip(*columns, strict=True)}
    assert {f"{s.value:.4g}": (s.low, s.high) for s in found} == ends
    assert len(ends) == 4


# ---------------------------------------------------------------------------------------------- less, and drift


def test_without_tables_it_shows_what_the_run_keeps(run: Path, tables: dict[str, Any], tmp_path: Path) -> None:
    bare = tabcli.report(run)
    found = bare.numbers.findings
    assert found.headline is None
    assert re.fullmatch(
        r"units: forecasts of 2 past windows were off by \d+\.\d % of what happened; no rows to forecast were given\.",
        bare.sentence,
    )
    assert all(s.actual is not None for s in found.chain)
    assert bare.numbers.judged is not None
    assert bare.numbers.drift is None
    assert bare.numbers.planned == ()
    assert any("the run alone forecasts no rows: " in note and "--data" in note for note in found.notes)
    assert any("no train table was given" in note for note in found.notes)
    assert len(bare.numbers.drawable.names) == 6
    assert "The facts" in bare.html
    with pytest.raises(tabcli.DataError, match=r"the forecast: has no column 'shop', 'day', and without --data"):
        tabcli.report(run, forecast=tabcli.predict(run, tables).table)
    rows = tabcli.predict(run, tables, columns=["shop", "day"], intervals=[0.8]).table
    given = tabcli.report(run, forecast=rows).numbers.findings
    whole = tabcli.report(run, tables).numbers.findings
    assert given.headline is not None
    assert whole.headline is not None
    assert (given.headline.value, given.headline.low) == (whole.headline.value, whole.headline.low)
    assert [(s.name, s.value, s.low) for s in given.series] == [(s.name, s.value, s.low) for s in whole.series]
    done = CliRunner().invoke(app, ["report", str(run), "--out", str(tmp_path / "bare.html")])
    assert done.exit_code == 0, done.output
    assert "warning: the run alone forecasts no rows" in done.stderr


def test_a_run_with_rules_forecasts_without_tables(tmp_path: Path) -> None:
    config, tables = one_kind("D", 200)
    run = tabcli.train(
        tabcli.prep({**config, "validation": {"last": "14d"}}, tables), overrides=["calibration.windows=1"]
    )
    bare, whole = tabcli.report(run).numbers.findings, tabcli.report(run, tables).numbers.findings
    assert bare.headline is not None
    assert whole.headline is not None
    assert (bare.headline.value, bare.headline.low) == (whole.headline.value, whole.headline.low)
    named = run.run.fitted.config.model_copy(
        update={"tables": {**run.run.fitted.config.tables, "future": Table(file="no.csv")}}
    )
    other = dataclasses.replace(run.run, fitted=dataclasses.replace(run.run.fitted, config=named))
    tables["train"].to_csv(tmp_path / "t.csv", index=False)
    ahead = tabcli.report(other, tmp_path, horizon="21d").numbers  # no table has the rows
    assert ahead.findings.headline is not None
    assert ahead.findings.headline.n_steps == 21
    assert ahead.drives is not None
    assert ahead.drives.week == pytest.approx(sum(s.weeks[0].value for s in ahead.findings.series), rel=1e-5)


def test_what_moved_is_named_and_nothing_else(run: Path, tables: dict[str, pd.DataFrame]) -> None:
    usual = tabcli.report(run, tables).numbers.drift
    assert usual is not None
    assert {"promo", "open", "holiday", "kind", "size"} <= {m.name for m in usual}
    assert not [m for m in usual if m.moved]
    moved = {name: table.copy() for name, table in tables.items()}
    moved["future"]["promo"] = 1
    moved["shops"].loc[moved["shops"]["shop"] == "shop 2", "size"] = 80.0
    html = (made := tabcli.report(run, moved)).html
    named = {m.name: m for m in made.numbers.drift or () if m.moved}
    assert set(named) == {"promo", "size"}
    assert named["size"].outside == pytest.approx(1 / 6)
    now, then = 1.0, float(tables["train"]["promo"].mean())
    n, rows = len(tables["train"]), len(tables["future"])
    p = np.array([0.5, rows + 0.5, 0.5, 0.5])
    q = np.array([n * (1 - then) + 0.5, n * then + 0.5, 0.5, 0.5])
    p, q = p / p.sum(), q / q.sum()
    assert named["promo"].index == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert now > (named["promo"].usual or 0)
    assert "2 of " in html[html.index('id="drift"') :]


# ---------------------------------------------------------------------------------------------- what drives it


def test_the_change_on_the_week_before_is_made_of_its_parts(
    made: ReportResult, run: Path, tables: dict[str, Any]
) -> None:
    drives = made.numbers.drives
    assert drives is not None
    assert drives.why is not None
    series = {s.number: s for s in made.numbers.findings.series}
    assert sorted(drives.why.series) == sorted(series)
    for number, values, before in zip(drives.why.series, drives.why.values, drives.why.before, strict=True):
        week = series[number].weeks[0]
        assert before == series[number].week_before
        assert before + values.sum() == pytest.approx(week.value, rel=1e-5)
    assert drives.week == pytest.approx(sum(s.weeks[0].value for s in series.values()), rel=1e-5)
    promo = drives.why.parts.index("promo")
    first, train, future = tables["future"]["day"].min(), tables["train"], tables["future"]
    for k, number in enumerate(drives.why.series):
        shop = made.numbers.findings.series[[s.number for s in made.numbers.findings.series].index(number)].name
        days = future[(future["shop"] == shop) & (future["day"] < first + pd.Timedelta(days=7)) & (future["open"] != 0)]
        then = train[(train["shop"] == shop) & (train["day"] >= first - pd.Timedelta(days=7)) & (train["open"] == 1)]
        assert drives.why.days[k, promo].tolist() == [days["promo"].sum(), then["promo"].sum()]
    sources = [s.name for s in drives.importance.sources]
    assert {"shop", "promo", "calendar"} <= set(sources)
    assert [r[0] for c in made.charts if c.key == "drives" for r in c.rows] == sources
    json_of = made.numbers.to_dict()["drives"]
    assert isinstance(json_of, dict)
    assert len(json_of["why"]) == 6
    assert made.numbers.drawable.why_parts == list(drives.why.parts)


def test_what_a_person_changed_and_closed_days_are_parts_of_their_own(
    run: Path, tables: dict[str, pd.DataFrame]
) -> None:
    rows = tabcli.predict(run, tables).table
    changed = tabcli.report(run, tables, forecast=rows.assign(units=2 * rows["units"])).numbers.drives
    shut = {name: table.copy() for name, table in tables.items()}
    first = shut["future"]["day"].min()
    monday = first + pd.Timedelta(days=(7 - first.day_of_week) % 7)
    shut["future"].loc[shut["future"]["day"] == monday, "open"] = 0
    closed = tabcli.report(run, shut).numbers.drives
    assert changed is not None
    assert closed is not None
    parts = {p.name: p.value for p in changed.parts}
    assert parts["changed by hand"] == pytest.approx(changed.week / 2, rel=1e-4)
    then = tables["train"][tables["train"]["day"] == monday - pd.Timedelta(days=7)]["units"].sum()
    assert {p.name: p.value for p in closed.parts}["days open or closed"] == pytest.approx(-then, rel=1e-3)


# ------------------------------------------------------------------------------------------------------ the card


def test_the_model_card_is_part_of_the_page(made: ReportResult, run: Path) -> None:
    card = tabcli.card(run, write=False)
    assert made.numbers.card == card.model_card
    page = made.html[made.html.index('id="card"') :]
    for head in re.findall(r"^## (.+)$", card.model_card, flags=re.MULTILINE):
        assert f"<h3>{head}</h3>" in page
    assert page.count("To be filled by a person") == card.model_card.count("To be filled by a person")
    assert not re.search(r"\*\*|^\||\\\*", page.split("<script")[0], flags=re.MULTILINE)
    assert '<a class="skip" href="#main">' in made.html
    bare = tabcli.report(load_run(run))
    assert bare.numbers.card is None
    assert 'id="card"' not in bare.html


def test_groups_of_series_are_judged(made: ReportResult, run: Path) -> None:
    judged, card = made.numbers.judged, tabcli.card(run, write=False)
    assert judged is not None
    assert judged.bias == card.bias is not None
    assert {g.column for g in judged.bias.groups} == {"kind"}  # type: ignore[union-attr]
    assert "Groups of series" in made.html


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("a **b** *c* `d*e` \\*f\\* 10 %", "<p>a <strong>b</strong> <em>c</em> <code>d*e</code> *f* 10\u00a0%</p>"),
        ("see [here](x.md) &lt;b&gt; & <i>", "<p>see here &lt;b&gt; &amp; &lt;i&gt;</p>"),
        ("- one\n- two", "<ul><li>one</li><li>two</li></ul>"),
        ("> said", "<p>said</p>"),
        ("### head", "<h4>head</h4>"),
    ],
)
def test_marks_of_the_card_are_html(markdown: str, html: str) -> None:
    assert html_of(markdown.splitlines(), "x") == html


def test_tables_and_drawings_of_the_card() -> None:
    table = html_of(["| a\\|b |  |", "|---|---:|", "| **1** | <2> |"], "y & z")
    assert '<th scope="col">a|b</th><td></td>' in table
    assert '<th scope="row"><strong>1</strong></th><td>&lt;2&gt;</td>' in table
    assert 'aria-label="y &amp; z"' in table
    assert "<pre>\n█ <x>" not in (drawn := html_of(["```text", "█ <x>", "```"], "w"))
    assert "█ &lt;x&gt;</pre>" in drawn
    sections = sections_of("---\na: b\n---\n\n# T\n\nintro\n\n## One\n\n1\n\n## Two\n")
    assert list(sections) == ["", "One", "Two"]
    assert "intro" in sections[""]
    assert "1" in sections["One"]


def test_of_twenty_stretches_that_are_like_the_past_none_is_named_and_planted_ones_all_are() -> None:
    named = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weeks = rng.random((20, 28)) < rng.uniform(0.3, 0.5, (20, 1))  # each stretch has a share of its own
        past = pd.Series(np.repeat(weeks[1:].ravel(), 5).astype("int64"))
        stretch = np.repeat(np.arange(19), 28 * 5)
        flags = [pd.Series(np.repeat(now, 5).astype("int64")) for now in (weeks[0], rng.random(28) < 0.95)]
        named += [drift_in("flag", past, now, stretch).moved for now in flags]
        prices = pd.Series(rng.lognormal(0, 0.3, len(past)))
        named += [drift_in("price", prices, pd.Series(rng.lognormal(s, 0.3, 140)), stretch).moved for s in (0.0, 0.6)]
    assert sum(named[0::4]) + sum(named[2::4]) <= 1
    assert all(named[1::4])
    assert all(named[3::4])


@pytest.mark.parametrize("days", [2, 9])
def test_a_forecast_that_starts_later_has_no_week_before(run: Path, tables: dict[str, pd.DataFrame], days: int) -> None:
    future = tables["future"]
    later = future[future["day"] >= future["day"].min() + pd.Timedelta(days=days)]
    made = tabcli.report(run, {**tables, "future": later})
    assert made.numbers.drives is not None
    assert made.numbers.drives.why is None
    assert made.numbers.drives.importance.sources
    assert {s.week_before for s in made.numbers.findings.series} == {None}
    assert "Next week against the week before" not in made.html
