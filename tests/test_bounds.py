"""Forecasts with quantiles and intervals beside what happened: each number by plain loops, overall and by group."""

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import tabcli
from tabcli.cli.app import app
from tabcli.errors import DataError
from tabcli.evaluation.comparison import Evaluation, compare
from tabcli.evaluation.past import PastActuals
from tests.conftest import examples

NORMAL = NormalDist()
SPREAD = 0.2
DECILES = [10, 20, 30, 40, 50, 60, 70, 80, 90]


def world(n_shops: int = 4, n_days: int = 84, n_late: int = 14, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The past, and the scored rows with their true mean: Sundays are 0; else normal with a spread of a fifth."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2024-01-01", periods=n_days)
    rows = pd.MultiIndex.from_product([[f"s{i}" for i in range(n_shops)], days], names=["shop", "day"])
    table = rows.to_frame(index=False)
    table["deal"] = rng.integers(0, 2, len(table))
    table["mean"] = (table["day"].dt.day_of_week != 6) * (100.0 + 50 * table["deal"] + rng.integers(0, 9, len(table)))
    table["units"] = table["mean"] * (1 + SPREAD * rng.normal(size=len(table)))
    late = table["day"] >= days[-n_late]
    return table[~late].drop(columns="mean"), table[late].reset_index(drop=True)


def with_bounds(rows: pd.DataFrame, ends: dict[str, float], spread: float = SPREAD) -> pd.DataFrame:
    """The rows with their mean as the forecast, and the quantiles of a normal distribution under these endings."""
    made = rows.drop(columns="mean").assign(units=rows["mean"])
    return made.assign(
        **{f"units_{end}": rows["mean"] * (1 + spread * NORMAL.inv_cdf(level)) for end, level in ends.items()}
    )


ENDS = {f"q{p}": p / 100 for p in DECILES} | {"lo80": 0.1, "hi80": 0.9, "lo95": 0.025, "hi95": 0.975}


def tables(spread: float = SPREAD, **kwargs: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Past, forecast, truth."""
    past, rows = world(**kwargs)
    return past, with_bounds(rows, ENDS, spread), rows[["shop", "day", "units"]]


# ------------------------------------------------------------------------------------------- the numbers


def loops(forecast: pd.DataFrame, truth: pd.DataFrame, scale: dict[str, float]) -> dict[str, float]:
    """The scores of the rows, one by one, over the deciles and three intervals."""
    actual = {(r.shop, r.day): float(r.units) for r in truth.itertuples()}
    losses = scaled = size = points = width80 = 0.0
    held: dict[str, list[bool]] = {name: [] for name in ("80", "95", "80_unsure", "95_unsure")}
    below = []
    for row in forecast.to_dict("records"):
        y = actual[row["shop"], row["day"]]
        for p in DECILES:
            q = row[f"units_q{p}"]
            loss = 2 * (p / 100 * (y - q) if y >= q else (1 - p / 100) * (q - y)) / len(DECILES)
            losses += loss
            scaled += loss / scale[row["shop"]]
        for text in ("80", "95"):
            hit = row[f"units_lo{text}"] <= y <= row[f"units_hi{text}"]
            held[text].append(hit)
            if row["units_lo95"] != row["units_hi95"]:
                held[f"{text}_unsure"].append(hit)
        below.append(y <= row["units_q30"])
        size, points = size + abs(y), points + abs(row["units"])
        width80 += row["units_hi80"] - row["units_lo80"]
    nan = float("nan")
    made = {f"held_{name}": sum(hits) / len(hits) if hits else nan for name, hits in held.items()}
    n = len(forecast)
    return made | {
        "rows": n,
        "wql": losses / size if size else nan,
        "sql": scaled / n,
        "width_80": width80 / points if points else nan,
        "below_q30": sum(below) / n,
    }


def scales(past: pd.DataFrame) -> dict[str, float]:
    weeks = {shop: rows.sort_values("day")["units"].to_numpy() for shop, rows in past.groupby("shop")}
    return {str(shop): float(np.abs(y[7:] - y[:-7]).mean()) for shop, y in weeks.items()}


def test_scores_overall_by_a_column_and_by_step_against_plain_loops() -> None:
    past, forecast, truth = tables(n_shops=3)
    shuffled = forecast.sample(frac=1, random_state=0)
    made = compare(shuffled, truth, "units", by="deal", past=PastActuals(past, "day", ["shop"]))
    found = made.quantiles
    assert found is not None
    expected = loops(forecast, truth, scales(past))
    assert made.metrics["wql"] == pytest.approx(expected["wql"])
    assert made.metrics["sql"] == pytest.approx(expected["sql"])
    intervals = found.intervals.set_index("promised")
    assert list(intervals.index) == [0.2, 0.4, 0.6, 0.8, 0.95]
    for share, text in ((0.8, "80"), (0.95, "95")):
        assert intervals.loc[share, "held"] == pytest.approx(expected[f"held_{text}"])
        assert intervals.loc[share, "held_unsure"] == pytest.approx(expected[f"held_{text}_unsure"])
    assert intervals.loc[0.8, "width_share"] == pytest.approx(expected["width_80"])
    assert intervals.loc[0.8, ["low", "high"]].tolist() == ["units_lo80", "units_hi80"]
    levels = found.levels.set_index("column")
    assert levels.loc["units_q30", "below"] == pytest.approx(expected["below_q30"])
    assert found.judged == [f"units_q{p}" for p in DECILES]
    assert found.n_sure == (forecast["units"] == 0).sum() == 6
    assert found.by is not None
    assert found.by_step is not None
    assert found.by["wql"].is_monotonic_decreasing
    assert found.by_step["step"].tolist() == list(range(1, 15))
    first = forecast["day"].min()
    steps = (forecast["day"] - first).dt.days + 1
    for table, name, of in ((found.by, "deal", forecast["deal"]), (found.by_step, "step", steps)):
        for record in table.to_dict("records"):
            part = loops(forecast[of == record[name]], truth, scales(past))
            got = {key: record[key] for key in part}
            assert got == pytest.approx(part, nan_ok=True), (name, record[name])


def test_steps_are_counted_from_the_last_known_date_and_else_from_the_first_scored_one() -> None:
    past, forecast, truth = tables(n_late=14)
    late = forecast["day"] >= forecast["day"].min() + pd.Timedelta(days=5)
    keys = PastActuals(past, "day", ["shop"])
    with_past, without = (compare(forecast[late], truth[late], "units", past=p) for p in (keys, None))
    assert with_past.quantiles is not None
    assert without.quantiles is not None
    for made, steps in ((with_past, range(6, 15)), (without, range(1, 10))):
        assert made.quantiles is not None
        assert made.quantiles.by_step is not None
        assert made.quantiles.by_step["step"].tolist() == list(steps)
    assert "sql" not in without.metrics
    months = pd.date_range("2023-01-31", periods=24, freq="ME")
    rows = pd.DataFrame({"day": months, "units": np.arange(24.0), "units_q50": np.arange(24.0)})
    monthly = compare(
        rows.iloc[20:], rows.iloc[20:, :2], "units", past=PastActuals(rows.iloc[:18, :2], "day", [])
    ).quantiles
    assert monthly is not None
    assert monthly.by_step is not None
    assert monthly.by_step["step"].tolist() == [3, 4, 5, 6]


def test_rows_without_a_date_have_no_steps_and_no_error_of_a_share() -> None:
    truth = pd.DataFrame({"id": range(50), "units": np.arange(50.0)})
    forecast = truth.assign(units_lo80=0.0, units_hi80=4.0)
    found = compare(forecast, truth, "units").quantiles
    assert found is not None
    assert found.by_step is None
    assert found.intervals["held"].tolist() == [0.1]
    assert found.intervals["error"].isna().all()
    assert not found.intervals["beyond_chance"].any(), "without a date nobody knows which rows err together"


@examples(6)
@given(st.floats(1e-3, 1e5))
def test_another_unit_changes_what_has_one_and_nothing_else(unit: float) -> None:
    past, forecast, truth = tables()
    named = [c for c in forecast.columns if c.startswith("units")]
    others = past.assign(units=unit * past["units"]), forecast.copy(), truth.assign(units=unit * truth["units"])
    others[1][named] = unit * forecast[named]
    one, other = (
        compare(made, actual, "units", by="deal", past=PastActuals(known, "day", ["shop"]))
        for known, made, actual in ((past, forecast, truth), others)
    )
    assert one.quantiles is not None
    assert other.quantiles is not None
    factors = {"crps": unit, "width": unit, "pinball": unit}
    for metric in ("wql", "sql", "crps"):
        assert other.metrics[metric] == pytest.approx(factors.get(metric, 1.0) * one.metrics[metric])
    for name in ("levels", "intervals", "by", "by_step"):
        plain, scaled = getattr(one.quantiles, name), getattr(other.quantiles, name)
        for column in plain.select_dtypes("number"):
            has_unit = column == "width" or column.startswith(("pinball", "crps"))
            np.testing.assert_allclose(
                scaled[column], (unit if has_unit else 1.0) * plain[column], rtol=1e-6, atol=1e-9
            )


def same(one: Evaluation, other: Evaluation) -> None:
    assert one.metrics == pytest.approx(other.metrics, nan_ok=True)
    assert one.quantiles is not None
    assert other.quantiles is not None
    for name in ("levels", "intervals", "by", "by_step"):
        pd.testing.assert_frame_equal(getattr(one.quantiles, name), getattr(other.quantiles, name), check_dtype=False)


@examples(5)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_columns_and_the_kind_of_texts_change_nothing(seed: int) -> None:
    _, forecast, truth = tables()
    rng = np.random.default_rng(seed)
    other = forecast[list(rng.permutation(forecast.columns))].iloc[rng.permutation(len(forecast))]
    other = other.astype({"shop": "category"})
    same(*(compare(made, truth, "units", by="deal") for made in (forecast, other)))


def test_the_metrics_of_the_point_forecast_are_those_without_bounds() -> None:
    past, forecast, truth = tables()
    points = forecast[["shop", "day", "deal", "units"]]
    one, other = (
        compare(made, truth, "units", by="deal", past=PastActuals(past, "day", ["shop"])) for made in (forecast, points)
    )
    assert other.quantiles is None
    assert {name: one.metrics[name] for name in other.metrics} == other.metrics
    assert set(one.metrics) - set(other.metrics) == {"wql", "sql", "crps"}
    pd.testing.assert_frame_equal(one.by, other.by)
    assert one.on == other.on == ["shop", "day"]
    with_theirs = truth.assign(units_q10=0.0)  # as where an earlier forecast is taken for what happened
    same(compare(forecast, truth, "units", by="deal"), compare(forecast, with_theirs, "units", by="deal"))


# ------------------------------------------------------------------------------------- what was promised


def test_true_quantiles_hold_what_they_promise_and_narrow_ones_are_told() -> None:
    def made(spread: float) -> pd.DataFrame:
        _, forecast, truth = tables(spread, n_shops=60, n_days=150, n_late=60)
        found = compare(forecast, truth, "units").quantiles
        assert found is not None
        for level, below in found.levels[["level", "below_unsure"]].to_numpy():
            assert spread != SPREAD or below == pytest.approx(level, abs=0.03)
        return found.intervals.set_index("promised")

    true, narrow, wide = (made(spread) for spread in (SPREAD, 0.6 * SPREAD, 1.6 * SPREAD))
    for share in (0.8, 0.95):
        assert true.loc[share, "held_unsure"] == pytest.approx(share, abs=0.02)
        assert true.loc[share, "error"] < 0.015
        assert true.loc[share, "held"] > true.loc[share, "held_unsure"], "Sundays are sure, and hold always"
    assert not true["beyond_chance"].any()
    assert narrow["beyond_chance"].all()
    assert wide["beyond_chance"].all()
    assert (narrow["width"] < true["width"]).all()


def test_dates_that_err_together_leave_more_to_chance() -> None:
    """The same share of rows outside: whole days of them, or rows here and there."""
    keys = pd.MultiIndex.from_product([range(40), pd.date_range("2024-01-01", periods=40)], names=["shop", "day"])
    truth = keys.to_frame(index=False).assign(units=0.0)
    day, shop = (truth["day"] - truth["day"].min()).dt.days, truth["shop"]
    errors, told = [], []
    for outside in (day % 10 < 3, (day + 3 * shop) % 10 < 3):
        forecast = truth.assign(units_lo80=np.where(outside, 1.0, -1.0), units_hi80=2.0)
        found = compare(forecast, truth, "units").quantiles
        assert found is not None
        assert found.intervals["held"].tolist() == [0.7]
        errors.append(found.intervals["error"].iloc[0])
        told.append(bool(found.intervals["beyond_chance"].iloc[0]))
    assert errors[0] > 3 * errors[1]
    assert told == [False, True]


def test_wql_of_intervals_alone_is_over_their_bounds_and_crps_is_not_defined() -> None:
    _, forecast, truth = tables()
    alone = forecast[["shop", "day", "units", "units_lo80", "units_hi80"]]
    as_quantiles = alone.rename(columns={"units_lo80": "units_q10", "units_hi80": "units_q90"})
    one, other = compare(alone, truth, "units"), compare(as_quantiles, truth, "units")
    assert one.metrics["wql"] == other.metrics["wql"]
    assert np.isnan(one.metrics["crps"])
    assert one.quantiles is not None
    assert other.quantiles is not None
    assert one.quantiles.judged == ["units_lo80", "units_hi80"]
    numbers = ["promised", "held", "held_unsure", "width"]
    pd.testing.assert_frame_equal(one.quantiles.intervals[numbers], other.quantiles.intervals[numbers])


def test_rows_of_zeros_alone_have_what_is_defined() -> None:
    past, forecast, truth = tables()
    sundays = forecast["day"].dt.day_of_week == 6
    made = compare(forecast[sundays], truth[sundays], "units", past=PastActuals(past, "day", ["shop"]))
    assert np.isnan(made.metrics["wql"])
    assert made.metrics["sql"] == 0
    assert made.quantiles is not None
    assert made.quantiles.n_sure == sundays.sum()
    assert made.quantiles.intervals["held"].eq(1).all()
    assert made.quantiles.intervals["held_unsure"].isna().all()


def test_a_single_quantile_has_a_level_and_no_interval() -> None:
    _, forecast, truth = tables()
    made = compare(forecast[["shop", "day", "units", "units_q90"]], truth, "units", by="shop")
    found = made.quantiles
    assert found is not None
    assert (len(found.levels), len(found.intervals), found.n_sure) == (1, 0, 0)
    assert "intervals  none" in repr(made)


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_bound_that_is_no_number_is_told_with_its_column_rows_and_an_example(value: float) -> None:
    _, forecast, truth = tables()
    forecast.loc[[3, 8], "units_q20"] = value
    with pytest.raises(
        DataError, match="predictions: column 'units_q20': 2 rows have no finite number, such as shop=s"
    ):
        compare(forecast, truth, "units")


def test_bounds_that_cross_are_told_with_their_columns_rows_and_an_example() -> None:
    _, forecast, truth = tables()
    at = forecast.index[forecast["units"] > 0][[2, 5, 9]]
    forecast.loc[at, "units_q60"] = forecast.loc[at, "units_q40"] - 1
    row = forecast.loc[at[0]]
    example = f"shop={row['shop']}, day={row['day']}: {row['units_q60']:g} and {row['units_q50']:g}"
    with pytest.raises(DataError) as error:
        compare(forecast, truth, "units")
    assert error.value.message == (
        f"predictions: column 'units_q60' lies below 'units_q50' in 3 rows, such as {example}"
    )
    ends = {"units_lo80": "units_hi80", "units_hi80": "units_lo80"}
    turned = forecast[["shop", "day", "units", *ends]].rename(columns=ends)
    with pytest.raises(DataError, match="column 'units_hi80' lies below 'units_lo80' in 1 rows"):
        compare(turned.loc[[at[0]]], truth.loc[[at[0]]], "units")


def test_a_bound_of_texts_is_told() -> None:
    _, forecast, truth = tables()
    with pytest.raises(DataError, match="predictions: column 'units_q20' holds no numbers"):
        compare(forecast.assign(units_q20="low"), truth, "units")


# -------------------------------------------------------------------------------------- the command line


def run(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
    assert "Traceback" not in done.output
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    past, forecast, truth = tables(0.5 * SPREAD, n_shops=30, n_late=28)
    past.to_csv(tmp_path / "history.csv", index=False)
    truth.to_csv(tmp_path / "truth.csv", index=False)
    forecast.to_csv(tmp_path / "made.csv", index=False)
    forecast.to_parquet(tmp_path / "made.parquet")
    return tmp_path


@pytest.mark.parametrize("name", ["made.csv", "made.parquet"])
def test_evaluate_finds_the_columns_by_itself(folder: Path, name: str) -> None:
    known = ["--history", folder / "history.csv", "--date", "day", "--series", "shop"]
    words = ["evaluate", folder / name, folder / "truth.csv", "--by", "deal", *known]
    made = json.loads(run(*words, "--json").stdout)
    _, forecast, truth = tables(0.5 * SPREAD, n_shops=30, n_late=28)
    past = pd.read_csv(folder / "history.csv", parse_dates=["day"])
    expected = loops(forecast, truth, scales(past))
    assert made["target"] == "units"
    assert {"wql": made["wql"], "sql": made["sql"]} == pytest.approx({k: expected[k] for k in ("wql", "sql")})
    found = made["quantiles"]
    assert [row["column"] for row in found["levels"]][:3] == ["units_lo95", "units_lo80", "units_q10"]
    assert [row["promised"] for row in found["intervals"]] == [0.2, 0.4, 0.6, 0.8, 0.95]
    assert found["intervals"][3]["held"] == pytest.approx(expected["held_80"])
    assert found["intervals"][3]["beyond_chance"] is True
    assert {row["deal"] for row in found["by"]} == {0, 1}
    assert [row["step"] for row in found["by_step"]] == list(range(1, 29))
    assert found["by_step"][0].keys() >= {"rows", "wape", "bias", "mase", "wql", "sql", "held_80", "pinball_q10"}

    text = run(*words).stdout
    held = next(row["held_unsure"] for row in found["intervals"] if row["promised"] == 0.8)
    assert f"warning: the interval of 80 % held {100 * held:.1f} % of the rows that are not sure; by chance" in text
    assert "\nnote: " not in text
    assert f"{found['sure']:,} rows are sure" in text
    assert f"WQL    {100 * made['wql']:.2f} %" in text
    assert f"SQL    {made['sql']:.4g}" in text
    lines = [line.split() for line in text.splitlines()]
    q10 = next(row for row in found["levels"] if row["column"] == "units_q10")
    shown = [f"{100 * q10[key]:.1f}" for key in ("below", "below_unsure")]
    assert ["10", "%", "units_q10", f"{q10['pinball']:.4g}", shown[0], "%", shown[1], "%"] in lines
    header = next(line for line in text.splitlines() if line.lstrip().startswith("step "))
    assert "held 80 %, of others" in header
    assert "width 95 %" in header
    assert "held 60 %" not in header


def test_an_interval_that_holds_too_much_is_noted_and_is_no_warning(folder: Path) -> None:
    _, forecast, _ = tables(3 * SPREAD, n_shops=30, n_late=28)
    forecast.to_csv(folder / "wide.csv", index=False)
    text = run("evaluate", folder / "wide.csv", folder / "truth.csv").stdout
    assert "note: the interval of 80 % held 100.0 % of the rows that are not sure; by chance" in text
    assert "warning: the interval" not in text


def test_evaluate_of_points_alone_says_nothing_of_intervals(folder: Path) -> None:
    points = pd.read_csv(folder / "made.csv")[["shop", "day", "units"]]
    points.to_csv(folder / "points.csv", index=False)
    made = json.loads(run("evaluate", folder / "points.csv", folder / "truth.csv", "--json").stdout)
    assert "quantiles" not in made
    assert "wql" not in made
    text = run("evaluate", folder / "points.csv", folder / "truth.csv").stdout
    assert not {"WQL", "interval", "level"} & set(text.split())


def test_evaluate_refuses_bounds_that_cross(folder: Path) -> None:
    crossed = pd.read_csv(folder / "made.csv").rename(columns={"units_lo80": "units_hi80", "units_hi80": "units_lo80"})
    crossed.to_csv(folder / "made.csv", index=False)
    done = run("evaluate", folder / "made.csv", folder / "truth.csv", code=4)
    assert "predictions: column 'units_q20' lies below 'units_lo80' in " in done.stderr
    assert "a quantile must not be lower than one of a lower level" in done.stderr


def test_python_takes_tables_and_gives_typed_scores() -> None:
    _, forecast, truth = tables()
    made = tabcli.evaluate(forecast, truth)
    assert made.target == "units"
    assert made.quantiles is not None
    assert made.quantiles.intervals["held"].between(0, 1).all()
    held = made.quantiles.intervals.set_index("promised").loc[0.8, "held"]
    assert f"80 % held {100 * held:.1f} %" in repr(made)
