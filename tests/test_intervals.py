"""Quantiles, intervals and totals through the command line and in Python: names, laws, errors, known truth."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabcli
from tabcli.api.results import TrainResult
from tabcli.bundle.directories import load_run
from tabcli.cli.app import app
from tabcli.errors import BundleError, UsageError
from tabcli.forecasting.groups import groups_of
from tabcli.forecasting.totals import Total
from tabcli.pipeline.apply import apply
from tabcli.training.past import kept_inputs
from tests.conftest import CONFIG, make_tables, write_folder

FEW = ("train.epochs=15", "calibration.windows=3", "calibration.metric=none")


def predict(*options: object, fails: int = 0) -> str:
    done = CliRunner().invoke(app, ["predict", *map(str, options)])
    assert done.exit_code == fails, done.output + done.stderr
    return done.stdout if not fails else done.stderr


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, pd.DataFrame]) -> Path:
    return write_folder(tmp_path_factory.mktemp("bounds") / "data", tables)


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A refitted run of two members, with three past windows before the validation rows."""
    tabcli.prep(CONFIG, folder, folder.parent / "prep")
    out = folder.parent / "run"
    tabcli.train(folder.parent / "prep", out, overrides=[*FEW, "train.members=2"], refit=True)
    return out


def forecast(run: Path | TrainResult, folder: Path | dict[str, Any], **options: Any) -> pd.DataFrame:
    return tabcli.predict(run, folder, quantiles=[0.9, 0.1, 0.5], intervals=[0.95, 0.8], **options).table


def test_columns_are_named_by_the_target_and_stand_behind_it(run: Path, folder: Path) -> None:
    out = folder.parent / "f.csv"
    predict(run, "--data", folder, "--out", out, "--quantiles", "0.9,0.1", "--quantiles", 0.5, "--interval", 0.8)
    made = pd.read_csv(out)
    assert list(made) == ["row", "units", "units_q10", "units_q50", "units_q90", "units_lo80", "units_hi80"]
    np.testing.assert_array_equal(made["units_lo80"], made["units_q10"])
    alone = folder.parent / "alone.csv"
    predict(run, "--data", folder, "--out", alone)
    pd.testing.assert_frame_equal(pd.read_csv(alone), made[["row", "units"]])


def test_bounds_do_not_cross_are_finite_and_zero_where_a_rule_says_so(run: Path, folder: Path) -> None:
    made = forecast(run, folder, columns=["open"])
    bounds = made[["units_lo95", "units_q10", "units_q50", "units_q90", "units_hi95"]].to_numpy()
    assert np.isfinite(bounds).all()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert (bounds >= 0).all()
    closed = (made["open"] == 0).to_numpy()
    assert closed.any()
    assert (bounds[closed] == 0).all()
    assert (bounds[~closed] > 0).all()
    assert (np.diff(bounds[~closed], axis=1) > 0).all()


def test_intervals_hold_what_they_promise_on_rows_that_nobody_had_seen(
    run: Path, folder: Path, tables: dict[str, pd.DataFrame]
) -> None:
    """The tables have lognormal noise of 5 %, the same in every series; the network adds its own error to that."""
    made = forecast(run, folder, columns=["shop", "open"])
    made = made[made["open"] != 0]
    width = np.log(made["units_hi80"] / made["units_lo80"])
    assert width.between(2 * 1.28 * 0.05 * 0.8, 2 * 1.28 * 0.15).all()
    held = json.loads((run / "metrics.json").read_text())["held"]
    assert len(held) == 4
    assert 0.7 < np.mean(held) < 0.95


def test_a_target_after_the_cutoff_moves_no_bound(run: Path, tables: dict[str, pd.DataFrame], folder: Path) -> None:
    told = tables["future"].assign(units=np.random.default_rng(0).integers(1, 10**6, len(tables["future"])))
    pd.testing.assert_frame_equal(forecast(run, {**tables, "future": told}), forecast(run, folder))


def test_bounds_go_with_the_unit_of_the_target(tables: dict[str, pd.DataFrame], folder: Path, run: Path) -> None:
    thousand = tables["train"].assign(units=tables["train"]["units"] * 1000)
    prep = tabcli.prep(CONFIG, {**tables, "train": thousand})
    scaled = tabcli.train(prep, overrides=[*FEW, "train.members=2"], refit=True)
    made, plain = forecast(scaled, tables), forecast(run, tables)
    np.testing.assert_allclose(made.drop(columns="row"), plain.drop(columns="row") * 1000, rtol=0.02)


def test_predict_reads_what_training_kept_and_two_makings_are_the_same(run: Path, folder: Path) -> None:
    loaded = tabcli.forecaster(run, folder)
    rows = pd.read_csv(folder / "ahead.csv", dtype={"holiday": "str"})
    made = loaded.predict(rows, quantiles=[0.1, 0.5, 0.9], intervals=[0.8, 0.95]).table
    pd.testing.assert_frame_equal(made, forecast(run, folder))


def test_a_shop_that_training_never_saw_has_wider_intervals_and_it_is_said(
    run: Path, tables: dict[str, pd.DataFrame]
) -> None:
    new = tables["future"].copy()
    new.loc[new["shop"] == 6, "shop"] = 77
    result = tabcli.predict(run, {**tables, "future": new}, intervals=[0.8], columns=["shop", "open"])
    made = result.table[result.table["open"] != 0]
    width = np.log(made["units_hi80"] / made["units_lo80"]).groupby(made["shop"] == 77).mean()
    assert width[True] > 1.2 * width[False]
    assert any("rows hold what training never saw: their intervals are 1.5 times as wide" in w for w in result.warnings)


def test_a_value_that_training_never_saw_has_wider_intervals_and_it_is_said(
    run: Path, folder: Path, tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """Through the command line: the holiday of a day that no year had, beside the same days without it."""
    new = tables["future"].copy()
    new.loc[new["day"] == new["day"].iloc[0], "holiday"] = "eclipse"
    data, out, known = (
        write_folder(tmp_path / "data", {**tables, "future": new}),
        tmp_path / "f.csv",
        tmp_path / "k.csv",
    )
    done = CliRunner().invoke(app, [*map(str, ("predict", run, "--data", data, "--out", out, "--interval", 0.8))])
    assert done.exit_code == 0, done.output
    n = int(((new["holiday"] == "eclipse") & (new["open"] != 0)).sum())
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{n} rows hold what training never saw: their intervals are 1.5 times as wide" in said
    predict(run, "--data", folder, "--out", known, "--interval", 0.8)
    width = [np.log(t["units_hi80"] / t["units_lo80"]) for t in (pd.read_csv(out), pd.read_csv(known))]
    ratio = (width[0] / width[1])[pd.read_csv(known)["units"] > 0].to_numpy()
    strange = (new["holiday"] == "eclipse").to_numpy()[pd.read_csv(known)["units"] > 0]
    np.testing.assert_allclose(ratio[strange], 1.5, rtol=1e-3)
    np.testing.assert_allclose(ratio[~strange], 1.0, rtol=1e-3)


def test_the_config_says_which_bounds_are_written_unless_others_are_asked_for(tables: dict[str, pd.DataFrame]) -> None:
    config = {**CONFIG, "forecast": {**CONFIG["forecast"], "quantiles": [0.25], "intervals": [0.5]}}
    run = tabcli.train(tabcli.prep(config, tables), overrides=["train.epochs=1", "calibration.windows=0"])
    assert list(tabcli.predict(run, tables).table)[2:] == ["units_q25", "units_lo50", "units_hi50"]
    assert list(tabcli.predict(run, tables, quantiles=[0.5], intervals=[]).table)[2:] == ["units_q50"]
    warnings = tabcli.predict(run, tables).warnings
    assert any("single past window" in w for w in warnings)


def test_bounds_come_as_a_tidy_frame(run: Path, folder: Path) -> None:
    result = tabcli.predict(run, folder, quantiles=[0.9, 0.1])
    tidy = result.bounds
    assert list(tidy) == ["row", "level", "value"]
    assert len(tidy) == 2 * len(result.table)
    np.testing.assert_array_equal(tidy["value"][tidy["level"] == 0.9], result.table["units_q90"])


def test_a_run_without_past_windows_says_how_to_get_them(run: Path, folder: Path) -> None:
    (run.parent / "old").mkdir()
    for path in run.iterdir():
        (run.parent / "old" / path.name).write_bytes(path.read_bytes())
    (run.parent / "old" / "past.parquet").unlink()
    manifest = run.parent / "old" / "manifest.json"
    listed = json.loads(manifest.read_text())
    del listed["files"]["past.parquet"]
    manifest.write_text(json.dumps(listed))
    out = folder.parent / "old.csv"
    predict(run.parent / "old", "--data", folder, "--out", out)
    told = predict(run.parent / "old", "--data", folder, "--out", out, "--interval", 0.8, fails=5)
    assert "keeps no forecasts of past windows" in told
    assert "train again" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quantiles", "1"), "--quantiles 1: expected a number from 0.001 to 0.999"),
        (("--quantiles", "half"), "--quantiles half: expected numbers between 0 and 1"),
        (("--interval", "80"), "--interval 80: expected a number from 0.001 to 0.999"),
        (("--total", "week,day"), "--total 'week,day': expected chain, columns, and at most one of day, week, month"),
        (("--total", "kinds"), "--total kinds: the rows have no column 'kinds'; did you mean 'kind'?"),
        (("--total", "open"), "--total open: open changes within a series, and the run keeps no values of its past"),
        (("--total", "open"), "same within a series, by promo, holiday, and by day, week or month"),
        (("--columns", "open", "--total", " "), "expected chain, columns"),
    ],
)
def test_what_cannot_be_asked_for(run: Path, folder: Path, options: tuple[str, ...], message: str) -> None:
    out = folder.parent / "no.csv"
    assert message in predict(run, "--data", folder, "--out", out, *options, fails=2)
    assert not out.exists()


def test_totals_are_sums_of_the_forecast_with_intervals_of_their_own(run: Path, folder: Path) -> None:
    out = folder.parent / "t.csv"
    options = ["--total", "chain", "--total", "kind,week", "--total", "day", "--interval", "0.8"]
    shown = predict(run, "--data", folder, "--out", out, "--columns", "shop,day", *options)
    rows = pd.read_csv(out, parse_dates=["day"])
    totals = pd.read_csv(folder.parent / "t.totals.csv", parse_dates=["start"])
    assert list(totals) == ["total", "group", "start", "rows", "units", "units_lo80", "units_hi80"]
    assert "t.totals.csv" in shown
    assert "chain" in shown
    by_name = dict(tuple(totals.groupby("total")))
    assert by_name["chain"]["units"].item() == pytest.approx(rows["units"].sum(), rel=1e-5)
    days = by_name["day"].set_index("start")
    np.testing.assert_allclose(days["units"], rows.groupby("day")["units"].sum(), rtol=1e-5)
    kinds = by_name["kind,week"]
    assert sorted(set(kinds["group"])) == ["(missing)", "x", "y"]
    assert (kinds["start"].dt.day_of_week == 0).all()
    assert (totals["units_lo80"] <= totals["units"]).all()
    assert (totals["units"] <= totals["units_hi80"]).all()
    one = np.log(rows["units_hi80"] / rows["units_lo80"])[rows["units"] > 0].mean()
    whole = float(np.log(by_name["chain"]["units_hi80"] / by_name["chain"]["units_lo80"]).item())
    assert whole < one  # what shops do not have in common cancels


def test_totals_go_by_columns_that_change_within_a_series(
    run: Path, folder: Path, tables: dict[str, pd.DataFrame]
) -> None:
    """By promotion, which the run keeps of its past windows, and by it and the kind of the shop."""
    made = tabcli.predict(run, folder, columns=["day", "shop"], totals=["promo,week", "kind,promo"], intervals=[0.8])
    ahead = made.table.merge(tables["future"].rename(columns={"promo": "now"})[["row", "now"]], on="row")
    assert made.totals is not None
    by_name = dict(tuple(made.totals.groupby("total")))
    monday = ahead["day"] - pd.to_timedelta(ahead["day"].dt.day_of_week, unit="D")
    expected = ahead.groupby([ahead["now"].astype(str), monday])["units"].sum()
    found = by_name["promo,week"].set_index(["group", "start"])["units"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert sorted(by_name["kind,promo"]["group"]) == [f"{k}, {p}" for k in ("(missing)", "x", "y") for p in (0, 1)]
    assert (made.totals["units_lo80"] < made.totals["units"]).all()
    assert (made.totals["units"] < made.totals["units_hi80"]).all()


def test_past_rows_are_in_the_group_of_what_they_held(run: Path, folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    kept = load_run(run)
    assert kept.past is not None
    assert kept_inputs(kept.past) == ["promo", "holiday"]
    groups = groups_of(apply(kept.fitted, folder), kept.past, ("promo", "kind"))
    names = groups.names[groups.past[groups.past >= 0]]
    shop = kept.fitted.calendar.series["shop"].to_numpy()[kept.past["series"]]
    known = kept.past.assign(shop=shop)[["shop", "date"]].merge(
        tables["train"].merge(tables["shops"], on="shop"),
        left_on=["shop", "date"],
        right_on=["shop", "day"],
        how="left",
    )
    true = known["promo"].astype(str) + ", " + known["kind"].fillna("(missing)")
    assert (groups.past >= 0).all()
    assert (names == true).all()


def test_totals_by_what_scatters_more_are_wider(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    """A total by promotion has an interval from the errors of such totals, not from those of all rows."""
    rng, train = np.random.default_rng(3), tables["train"].copy()
    common = pd.Series(rng.normal(0, 0.4, 400), pd.date_range(train["day"].min(), periods=400))
    train["units"] = (train["units"] * np.exp(train["promo"] * train["day"].map(common))).round()
    quick = tabcli.train(tabcli.prep(CONFIG, {**tables, "train": train}), overrides=FEW)
    made = tabcli.predict(quick, {**tables, "train": train}, totals=["promo,day"], intervals=[0.8]).totals
    assert made is not None
    made = made[made["units"] > 0]
    width = ((made["units_hi80"] - made["units_lo80"]) / made["units"]).groupby(made["group"]).mean()
    assert width["1"] > 1.5 * width["0"]


def test_a_columns_name_never_matters_for_totals(run: Path, folder: Path) -> None:
    assert Total.parse("column:week,week") == Total("column:week,week", ("week",), "week")
    assert Total.parse("chain") == Total("chain", (), None)


def test_totals_are_not_written_over_a_table_that_is_read(tables: dict[str, pd.DataFrame], run: Path) -> None:
    folder = write_folder(run.parent / "kept", tables)
    (folder / "ahead.csv").rename(folder / "f.totals.csv")
    given = {"future": folder / "f.totals.csv", "shops": folder / "shops.csv"}
    before = (folder / "f.totals.csv").read_bytes()
    with pytest.raises(UsageError):
        tabcli.predict(run, given, folder / "f.csv", totals=["chain"])
    assert (folder / "f.totals.csv").read_bytes() == before
    assert not (folder / "f.csv").exists()


def test_totals_without_an_interval_have_one_of_80_percent(run: Path, folder: Path) -> None:
    result = tabcli.predict(run, folder, totals=["chain"])
    assert result.totals is not None
    assert list(result.totals)[-2:] == ["units_lo80", "units_hi80"]
    assert list(result.table) == ["row", "units"]


def test_json_has_the_totals(run: Path, folder: Path) -> None:
    out = folder.parent / "j.csv"
    told = json.loads(predict(run, "--data", folder, "--out", out, "--total", "month", "--json"))
    assert [t["start"] for t in told["totals"]] == ["2021-07-01T00:00:00", "2021-08-01T00:00:00"]


@pytest.mark.parametrize("transform", ["log1p", "identity", "boxcox"])
def test_every_scale_has_bounds(tables: dict[str, pd.DataFrame], transform: str) -> None:
    config = {**CONFIG, "target": {**CONFIG["target"], "transform": transform}, "metric": "wape"}
    run = tabcli.train(tabcli.prep(config, tables), overrides=["train.epochs=3", "calibration.windows=1"])
    made = forecast(run, tables, columns=["open"])
    bounds = made.loc[made["open"] != 0, ["units_lo95", "units_q10", "units_q50", "units_q90", "units_hi95"]]
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert (bounds >= 0).all().all()
    assert ((bounds["units_q50"] - made["units"][bounds.index]).abs() < made["units"][bounds.index]).mean() > 0.9


def test_bounds_need_a_run_with_rows(run: Path, folder: Path) -> None:
    from tabcli.bundle import directories

    with pytest.raises(BundleError, match="keeps no forecasts of past windows"):
        tabcli.predict(replace(directories.load_run(run), past=None), folder, quantiles=[0.5])
    named = pd.read_csv(folder / "ahead.csv", dtype={"holiday": "str"}).assign(units_q50=1.0)
    with pytest.raises(UsageError, match="a bound of the forecast has this name"):
        tabcli.predict(run, {"future": named, "shops": make_tables()["shops"]}, quantiles=[0.5], columns=["units_q50"])


@pytest.mark.parametrize(
    ("freq", "step", "horizon", "gap"),
    [("h", "1h", "24h", "0h"), ("W-MON", "1w", "6w", "2w"), ("MS", "1mo", "4mo", "1mo")],
)
def test_hours_weeks_and_months_with_two_keys_and_a_gap_have_bounds(
    freq: str, step: str, horizon: str, gap: str
) -> None:
    rng, n, ahead = np.random.default_rng(0), 160, int(horizon.rstrip("hwmo")) + int(gap.rstrip("hwmo"))
    dates = pd.date_range("2010-01-04", periods=n + ahead, freq=freq)
    keys = pd.MultiIndex.from_product([["a", "b"], [1, 2], dates], names=["shop", "item", "when"])
    rows = keys.to_frame(index=False)
    rows["sold"] = np.round(50 * rows["item"] * np.exp(rng.normal(0, 0.1, len(rows))))
    rows.loc[rng.random(len(rows)) < 0.05, "sold"] = 0
    late = rows["when"] >= dates[n]
    future = rows[rows["when"] >= dates[-int(horizon.rstrip("hwmo"))]]
    config = {
        "format_version": 1,
        "tables": {"train": {"file": "t.csv"}, "future": {"file": "f.csv"}},
        "series": ["shop", "item"],
        "date": "when",
        "frequency": step,
        "metric": "wape",
        "target": {"column": "sold", "transform": "log1p"},
        "categorical": ["shop", "item", "Dayofweek"],
        "continuous": [],
        "features": {"date_parts": [{"column": "when", "prefix": ""}]},
        "validation": {"last": "future", "gap": gap},
        "model": {"layers": [8]},
        "train": {"epochs": 25, "batch_size": 64, "lr": 0.01},
    }
    tables = {"train": rows[~late], "future": future.drop(columns="sold")}
    run = tabcli.train(tabcli.prep(config, tables), refit=True)
    result = tabcli.predict(run, tables, intervals=[0.8], quantiles=[0.5], totals=["shop,month", "chain"])
    bounds = result.table[["sold_lo80", "sold_q50", "sold_hi80"]].to_numpy()
    assert (bounds >= 0).all()
    assert (np.diff(bounds, axis=1) >= 0).all()  # 0 where the hour of last week was
    assert result.totals is not None
    assert (result.totals["sold_hi80"] > result.totals["sold"]).all()
    held = (future["sold"] >= bounds[:, 0]) & (future["sold"] <= bounds[:, 2])
    assert 0.6 < held.mean() <= 1.0
