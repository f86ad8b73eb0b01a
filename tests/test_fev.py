"""The fev-bench benchmark: its metrics, windows and weekly sums; what a window's folder shows; what is run again."""

import json
from pathlib import Path
from typing import Any

import fev
import fev_scores
import fev_segments
import fev_tasks
import measure
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tabcli.cli.app import app

FIRST, LAST = "2013-01-01", "2014-05-25"
DAILY, WEEKLY = fev_tasks.TASKS["1D"], fev_tasks.TASKS["1W"]


def make_days(first: str = FIRST, last: str = LAST) -> pd.DataFrame:
    """Four shops, Sundays and 1 May closed, promotions every other week; shop 3 has no rows in February 2014."""
    rng = np.random.default_rng(0)
    days = pd.MultiIndex.from_product([range(1, 5), pd.date_range(first, last)], names=["Store", "Date"])
    table = days.to_frame(index=False)
    holiday = (table["Date"].dt.month == 5) & (table["Date"].dt.day == 1)
    table["DayOfWeek"] = table["Date"].dt.day_of_week + 1
    table["Open"] = ((table["DayOfWeek"] != 7) & ~holiday).astype(int)
    table["Promo"] = ((table["Date"].dt.isocalendar().week % 2 == 0) & (table["DayOfWeek"] < 6)).astype(int)
    table["StateHoliday"] = np.where(holiday, "a", "0")
    table["SchoolHoliday"] = (table["Date"].dt.month == 8).astype(int)
    table["Sales"] = rng.integers(50, 150, len(table)) * table["Open"] * table["Store"]
    table["Customers"] = table["Sales"] // 9
    missing = (table["Store"] == 3) & (table["Date"].dt.year == 2014) & (table["Date"].dt.month == 2)
    columns = ["Store", "DayOfWeek", "Date", "Sales", "Customers", "Open", "Promo", "StateHoliday", "SchoolHoliday"]
    return table[columns][~missing].iloc[::-1].reset_index(drop=True)


def write_data(folder: Path, days: pd.DataFrame) -> Path:
    folder.mkdir()
    days.to_csv(folder / "train.csv", index=False)
    empty = {"CompetitionOpenSinceMonth": [9, 11, None, 1], "CompetitionOpenSinceYear": [2008, 2007, None, 2014]}
    promo2 = {
        "Promo2": [0, 1, 1, 0],
        "Promo2SinceWeek": [None, 13, 14, None],
        "Promo2SinceYear": [None, 2010, 2011, None],
    }
    months = {"PromoInterval": [None, "Jan,Apr,Jul,Oct", "Feb,May,Aug,Nov", None]}
    kinds = {"Store": [1, 2, 3, 4], "StoreType": list("caad"), "Assortment": list("aaca")}
    store = pd.DataFrame({**kinds, "CompetitionDistance": [1270, 570, None, 620], **empty, **promo2, **months})
    store.to_csv(folder / "store.csv", index=False)
    return folder


# ------------------------------------------------------------------------------------------------ metrics


def tiny(sales: list[float], store: int = 1, first: str = "2020-01-01") -> pd.DataFrame:
    return pd.DataFrame({"Store": store, "Date": pd.date_range(first, periods=len(sales)), "Sales": sales})


def test_the_scores_of_two_rows_worked_out_by_hand() -> None:
    past = tiny([10, 12, 9])  # changes of 2 and 3: the scale is 2.5
    truth = tiny([10, 0], first="2020-01-04").assign(Id=[7, 8])
    forecast = pd.DataFrame({"Id": [8, 7], "Sales": [1.0, 8.0]})
    scores = fev_scores.window_scores(truth, forecast, past, step=1, seasonality=1)
    points = {"MASE": pytest.approx((2 / 2.5 + 1 / 2.5) / 2), "WAPE": pytest.approx(3 / 10)}
    assert scores == {**dict.fromkeys(fev_scores.METRICS), **points, "unsure": 0}
    # All nine quantiles equal to the forecast: the losses are 2·2·q and 2·1·(1 − q), whose means are 2 and 1.
    with_quantiles = forecast.assign(**dict.fromkeys(fev_scores.QUANTILES, forecast["Sales"]))
    scores = fev_scores.window_scores(truth, with_quantiles, past, step=1, seasonality=1)
    assert scores["SQL"] == pytest.approx((2 / 2.5 + 1 / 2.5) / 2)
    assert scores["WQL"] == pytest.approx((2 + 1) / 2 / 5)
    assert scores["SQL/MASE"] == pytest.approx(1)
    assert fev_scores.QUANTILES[0] == "Sales_q10"
    assert fev_scores.QUANTILES[-1] == "Sales_q90"


@pytest.mark.parametrize("seasonality", [1, 7])
def test_the_scores_against_loops_over_rows(seasonality: int) -> None:
    rng = np.random.default_rng(3)
    every = pd.concat([tiny(list(rng.integers(0, 90, 60).astype(float)), store) for store in (1, 2, 3)])
    rows = every.sample(frac=0.8, random_state=1).sort_values(["Date", "Store"], ignore_index=True)  # some are missing
    last = pd.Timestamp("2020-02-20")
    past = rows[rows["Date"] < last]
    truth = rows[rows["Date"] >= last].reset_index(drop=True).assign(Id=lambda t: t.index + 1)
    noise = rng.normal(0, 9, (len(truth), 1 + len(fev_scores.LEVELS)))
    made = pd.DataFrame(truth[["Sales"]].to_numpy() + noise, columns=["Sales", *fev_scores.QUANTILES])
    forecast = made.assign(Id=truth["Id"]).sample(frac=1, random_state=2)
    got = fev_scores.window_scores(truth, forecast, past, step=1, seasonality=seasonality)

    sales = {(r.Store, r.Date): r.Sales for r in past.itertuples()}
    changes: dict[int, list[float]] = {}
    for (store, date), value in sales.items():
        before = sales.get((store, date - pd.Timedelta(seasonality, unit="D")))
        if before is not None:
            changes.setdefault(store, []).append(abs(value - before))
    errors, losses, scaled_errors, scaled_losses = [], [], [], []
    for i, row in enumerate(truth.itertuples()):
        scale = sum(changes[row.Store]) / len(changes[row.Store])
        loss = 0.0
        for level, quantile in zip(fev_scores.LEVELS, made.loc[i, fev_scores.QUANTILES], strict=True):
            loss += 2 * abs((row.Sales - quantile) * ((row.Sales <= quantile) - level)) / len(fev_scores.LEVELS)
        errors.append(abs(row.Sales - made.loc[i, "Sales"]))
        losses.append(loss)
        scaled_errors.append(errors[-1] / scale)
        scaled_losses.append(loss / scale)
    n, level = len(truth), truth["Sales"].sum() / len(truth)
    assert got["MASE"] == pytest.approx(sum(scaled_errors) / n)
    assert got["WAPE"] == pytest.approx(sum(errors) / n / level)
    assert got["SQL"] == pytest.approx(sum(scaled_losses) / n)
    assert got["WQL"] == pytest.approx(sum(losses) / n / level)


def test_intervals_are_scored_on_rows_that_are_not_sure() -> None:
    past, truth = tiny([10, 12, 9]), tiny([10, 0, 30, 40], first="2020-01-04").assign(Id=range(4))
    forecast = pd.DataFrame({"Id": range(4), "Sales": [20.0, 0.0, 30.0, 50.0]})
    forecast = forecast.assign(
        **{
            name: forecast["Sales"] * (0.5 + level)
            for name, level in zip(fev_scores.QUANTILES, fev_scores.LEVELS, strict=True)
        }
    ).assign(Sales_lo95=forecast["Sales"] * 0.5, Sales_hi95=forecast["Sales"] * 2)
    scores = fev_scores.window_scores(truth, forecast, past, step=1, seasonality=1)
    assert scores["unsure"] == 3  # the second is 0 whatever happens
    assert scores["held 80"] == pytest.approx(2 / 3)  # 10 is not within 12 … 28
    assert scores["held 95"] == 1.0
    assert scores["width 80"] == pytest.approx(0.8)
    assert scores["width 95"] == pytest.approx(1.5)


def test_means_pool_what_intervals_held_and_divide_means() -> None:
    one = dict.fromkeys(fev_scores.METRICS, 0.1) | {
        "SQL": 0.2,
        "MASE": 0.4,
        "SQL/MASE": 0.5,
        "held 80": 1.0,
        "unsure": 10,
    }
    other = one | {"SQL": 0.1, "MASE": 0.1, "SQL/MASE": 1.0, "held 80": 0.5, "unsure": 30}
    made = fev_scores.means([one, other])
    assert made["SQL"] == pytest.approx(0.15)
    assert made["SQL/MASE"] == pytest.approx(0.15 / 0.25)
    assert made["held 80"] == pytest.approx((1.0 * 10 + 0.5 * 30) / 40)
    assert fev_scores.means([one, other | {"WQL": None}])["WQL"] is None


def test_a_store_that_never_changed_is_left_out_and_one_without_a_pair_has_scale_one() -> None:
    past = pd.concat([tiny([5, 5, 5], 1), tiny([4], 2)])
    truth = pd.concat([tiny([9], 1, "2020-02-01"), tiny([9], 2, "2020-02-01")]).assign(Id=[1, 2])
    forecast = pd.DataFrame({"Id": [1, 2], "Sales": [0.0, 6.0]})
    scores = fev_scores.window_scores(truth, forecast, past, step=1, seasonality=1)
    assert scores["MASE"] == pytest.approx(3.0)
    assert scores["WAPE"] == pytest.approx(12 / 18)


@pytest.mark.parametrize(
    ("forecast", "message"),
    [
        ({"Id": [1], "Sales": [1.0]}, "each of 2 rows once; there are 1"),
        ({"Id": [1, 1], "Sales": [1.0, 1.0]}, "each of 2 rows once; there are 2"),
        ({"Id": [1, 2], "Sales": [1.0, None]}, "1 forecasts are no numbers"),
    ],
)
def test_a_forecast_that_lacks_rows_is_not_scored(forecast: dict[str, Any], message: str) -> None:
    truth = tiny([1, 2]).assign(Id=[1, 2])
    with pytest.raises(SystemExit, match=message):
        fev_scores.window_scores(truth, pd.DataFrame(forecast), tiny([1, 2, 4], first="2019-01-01"), 1, 1)


# --------------------------------------------------------------------------------- windows and weekly sums


def test_the_windows_of_the_daily_task() -> None:
    ends = [
        "2014-05-25",
        "2014-07-12",
        "2014-08-29",
        "2014-10-16",
        "2014-12-03",
        "2015-01-20",
        "2015-03-09",
        "2015-04-26",
        "2015-06-13",
    ]
    windows = fev_tasks.windows_within(DAILY, pd.Series(pd.to_datetime(["2013-01-01", "2015-06-13"])))
    assert [w.name for w in windows] == ends
    assert all((w.last_row - w.first_row).days == 47 for w in windows)
    assert fev_tasks.published_windows(DAILY)[-1].name == "2015-07-31"
    assert len(fev_tasks.published_windows(DAILY)) == 10


def test_the_windows_of_the_weekly_task_are_whole_weeks_within_the_table() -> None:
    ends = ["2013-10-27", "2014-01-26", "2014-04-27", "2014-07-27", "2014-10-26", "2015-01-25", "2015-04-26"]
    windows = fev_tasks.windows_within(WEEKLY, pd.Series(pd.to_datetime(["2013-01-01", "2015-06-13"])))
    assert [w.name for w in windows] == ends
    assert {w.first_row.day_of_week for w in windows} == {w.last_row.day_of_week for w in windows} == {0}
    assert all((w.last_row - w.first_row).days == 12 * 7 for w in windows)
    assert fev_tasks.published_windows(WEEKLY)[-1].name == "2015-07-26"
    by_a_day = fev_tasks.windows_within(WEEKLY, pd.Series(pd.to_datetime(["2013-01-01", "2015-04-25"])))
    assert by_a_day == windows[:-1]


def test_windows_are_chosen_by_their_last_day() -> None:
    windows = fev_tasks.published_windows(DAILY)
    assert [w.name for w in fev_tasks.chosen(windows, ["2015-06-13", "2015-04-26"])] == ["2015-04-26", "2015-06-13"]
    with pytest.raises(SystemExit, match="--windows 2015-06-14: expected last days of windows: 2014-05-25, "):
        fev_tasks.chosen(windows, ["2015-06-14"])


def test_weekly_sums_against_loops_over_days() -> None:
    days = make_days("2014-01-01", "2014-05-24")  # a Wednesday to a Saturday: both weeks are partial
    weeks = fev_tasks.weekly_sums(days).set_index(["Store", "Date"])
    assert weeks.index.get_level_values("Date").min() == pd.Timestamp("2014-01-06")
    assert weeks.index.get_level_values("Date").max() == pd.Timestamp("2014-05-12")
    assert len(weeks) == 4 * 19
    rows = {(r.Store, r.Date): r for r in days.itertuples()}
    for (store, monday), week in weeks.iterrows():
        of_week = [rows.get((store, monday + pd.Timedelta(d, unit="D"))) for d in range(7)]
        there = [day for day in of_week if day is not None]
        for name in ("Sales", "Customers", "Open", "Promo", "SchoolHoliday"):
            assert week[name] == sum(getattr(day, name) for day in there), (store, monday, name)
        assert week["StateHoliday"] == sum(day.StateHoliday != "0" for day in there)
    assert weeks.loc[(3, pd.Timestamp("2014-02-10"))].eq(0).all()  # no day of it is there
    assert 0 < weeks.loc[(3, pd.Timestamp("2014-01-27")), "Open"] < 6  # some are
    assert weeks["StateHoliday"].sum() == 4


def test_daily_rows_stay_as_they_are() -> None:
    days = make_days()
    pd.testing.assert_frame_equal(fev_tasks.table_of(DAILY, days), days)


@pytest.mark.parametrize("task", [DAILY, WEEKLY])
def test_a_windows_folder_shows_the_past_and_the_future_without_its_sales(task: Any, tmp_path: Path) -> None:
    days = make_days()
    data = write_data(tmp_path / "data", days)
    window = fev_tasks.windows_within(task, days["Date"])[-1]
    table = fev_tasks.table_of(task, days)
    fev_tasks.write_window(table, window, data / "store.csv", tmp_path / "window")
    train = pd.read_csv(tmp_path / "window" / "train.csv", parse_dates=["Date"], dtype={"StateHoliday": str})
    test = pd.read_csv(tmp_path / "window" / "test.csv", parse_dates=["Date"], dtype={"StateHoliday": str})
    truth = fev_tasks.truth_of(table, window)
    before = table[table["Date"] < window.first_row].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        train.astype({"StateHoliday": str, "Date": before["Date"].dtype}),
        before.astype({"StateHoliday": str}),
        check_dtype=False,
    )
    assert test["Date"].min() == window.first_row
    assert test["Date"].max() == window.last_row
    assert list(test.columns) == ["Id", *(c for c in table.columns if c not in ("Sales", "Customers"))]
    assert test["Id"].tolist() == truth["Id"].tolist() == list(range(1, len(test) + 1))
    assert len(test) == 4 * task.horizon
    assert sorted(p.name for p in (tmp_path / "window").iterdir()) == [
        "open_days.csv",
        "store.csv",
        "test.csv",
        "train.csv",
    ]


def test_missing_rows_of_the_truth_are_not_forecast() -> None:
    days = make_days()
    window = fev_tasks.published_windows(DAILY)[0]
    gone = days[~((days["Store"] == 2) & (days["Date"] > "2014-05-01"))]
    assert len(fev_tasks.truth_of(gone, window)) == 4 * 48 - 24


# ------------------------------------------------------------------------------------------- the command


class Double:
    """Stands for tabcli: keeps what it was asked, and forecasts the same number for every row that is open.

    Quantiles are as many hundredths of it as their level and 50 more.
    """

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, *words: str | Path) -> measure.Cost:
        self.asked.append([str(w) for w in words])
        if words[0] == "predict":
            options = dict(zip(words[2::2], words[3::2], strict=True))
            rows = pd.read_csv(Path(options["--data"]) / "test.csv")
            made = rows[["Id", "Store", "Date"]].assign(Sales=200.0 * (rows["Open"] > 0))
            for level in map(float, options["--quantiles"].split(",")):
                made[f"Sales_q{100 * level:g}"] = (0.5 + level) * made["Sales"]
            share = 100 * float(options["--interval"])
            made[f"Sales_lo{share:g}"], made[f"Sales_hi{share:g}"] = 0.5 * made["Sales"], 1.5 * made["Sales"]
            made.to_csv(options["--out"], index=False)
        return measure.Cost(1.0, 1.0, 1.0)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Double:
    made = Double()
    monkeypatch.setattr(measure, "tabcli", made)
    return made


def test_the_command_runs_each_window_and_prints_it_beside_the_published_rows(
    double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = make_days()
    data, out = write_data(tmp_path / "data", days), tmp_path / "out"
    fev.main(["--data", str(data), "--out", str(out), "--members", "3", "--jobs", "2", "-S", "seed=5"])
    printed = capsys.readouterr().out
    assert "rossmann_1D: 1 of the 10 published windows, networks in each: 3" in printed
    assert "rossmann_1W: 3 of the 8 published windows, networks in each: 3" in printed
    assert "TabPFN-TS, best of 30" in printed
    assert [words[0] for words in double.asked].count("prep") == 4
    trained = [words for words in double.asked if words[0] == "train"]
    assert all({"--refit", "seed=5", "train.members=3", "train.threads=1"} <= set(words) for words in trained)
    window = fev_tasks.windows_within(DAILY, days["Date"])[0]
    truth = fev_tasks.truth_of(days, window)
    wape = (truth["Sales"] - 200 * truth["Open"]).abs().sum() / truth["Sales"].sum()
    scores = json.loads((out / "1D" / "2014-05-25" / "scores.json").read_text())
    assert scores["WAPE"] == pytest.approx(wape)
    opened = truth.loc[truth["Open"] > 0, "Sales"]
    assert scores["held 80"] == pytest.approx(opened.between(120, 280).mean())
    assert scores["held 95"] == pytest.approx(opened.between(100, 300).mean())
    assert scores["SQL/MASE"] == pytest.approx(scores["SQL"] / scores["MASE"])
    shown = "".join(f"{scores[name]:>10.4f}" for name in fev_scores.METRICS)
    assert f"2014-04-08 … 2014-05-25          192{shown}" in printed
    header = next(line for line in printed.splitlines() if line.startswith("window "))
    assert header.split("rows")[1].split() == " ".join([*fev_scores.METRICS, "seconds"]).split()
    best = next(line for line in printed.splitlines() if line.startswith("TabPFN-TS"))
    assert "    0.2389    0.3006    0.7947    0.0998    0.0794" in best
    assert best.split()[-4:] == ["–", "–", "–", "10,539"]
    forecasts = pd.read_csv(out / "1D" / "2014-05-25" / "forecasts.csv")
    assert list(forecasts.columns[:5]) == ["Id", "Store", "Date", "Sales", "Sales_q10"]
    scored = pd.read_csv(out / "1D" / "2014-05-25" / "truth.csv")
    assert scored["Sales"].tolist() == truth["Sales"].tolist()
    together = json.loads((out / "scores.json").read_text())
    weekly = [w["MASE"] for w in together["1W"]["windows"]]
    assert together["1W"]["mean"]["MASE"] == pytest.approx(sum(weekly) / 3)
    assert together["1W"]["mean"]["SQL"] == pytest.approx(sum(w["SQL"] for w in together["1W"]["windows"]) / 3)
    assert not (out / "1D" / "2014-05-25" / "data").exists()


def test_segments_pool_the_open_rows_of_all_windows(
    double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write_data(tmp_path / "data", make_days()), tmp_path / "out"
    fev.main(["--data", str(data), "--out", str(out), "--task", "1W"])
    rows = fev_segments.all_rows(out / "1W", data)
    opened = rows[rows["Sales"] > 0]  # what the double forecasts for rows that are open
    scores = fev_segments.segment_scores(rows, ["window", "StoreType", "step"])
    assert scores["segment"].drop_duplicates().tolist() == ["all", "window", "StoreType", "step"]
    assert scores["rows"].iloc[0] == len(opened)
    assert rows["window"].nunique() == 3
    held = opened["Sales (actual)"].between(120, 280)
    assert scores["held_80_unsure"].iloc[0] == pytest.approx(held.mean())
    for column in ("window", "StoreType", "step"):
        part = scores[scores["segment"] == column].set_index("value")["held_80_unsure"]
        expected = held.groupby(opened[column]).mean()
        assert part.to_dict() == pytest.approx(expected.to_dict())
    capsys.readouterr()
    fev_segments.main(["--data", str(data), "--out", str(out), "--task", "1W", "--plot", str(tmp_path / "held.png")])
    assert (tmp_path / "held.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert f"{100 * held.mean():.2f} %" in printed.splitlines()[1]
    assert "* fewer than 2,000 rows" in printed
    with pytest.raises(SystemExit, match=r"no window with truth\.csv"):
        fev_segments.main(["--data", str(data), "--out", str(out), "--task", "1D"])


def test_a_window_that_is_done_runs_again_only_where_something_changed(double: Double, tmp_path: Path) -> None:
    days = make_days()
    data = write_data(tmp_path / "data", days)
    words = ["--data", str(data), "--out", str(tmp_path / "out"), "--task", "1D"]

    def commands(*more: str) -> int:
        double.asked.clear()
        fev.main([*words, *more])
        return len(double.asked)

    assert commands() == 3
    assert commands() == 0
    assert commands("--force") == 3
    assert commands("-S", "train.epochs=2") == 3
    assert commands("-S", "train.epochs=2") == 0
    assert commands("--members", "2", "-S", "train.epochs=2") == 3
    assert commands() == 3
    other = tmp_path / "other.yaml"
    other.write_text(fev.CONFIGS["1D"].read_text() + "calibration: {metric: none}\n")
    assert commands("--config", str(other)) == 3
    (data / "train.csv").write_text((data / "train.csv").read_text().replace("2014-05-25,0,", "2014-05-25,1,"))
    assert commands("--config", str(other)) == 3


def test_scores_of_another_state_of_the_code_are_marked(
    double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--data", str(write_data(tmp_path / "data", make_days())), "--out", str(tmp_path / "out"), "--task", "1D"]
    fev.main(words)
    assert "*" not in capsys.readouterr().out
    monkeypatch.setattr(fev, "code_digest", lambda: "later")
    fev.main(words)
    assert "* kept from a run of another state of tabcli's code; --force runs it again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "my.yaml"], "--config: give --task"),
        (["--windows", "2014-05-25"], "--windows: give --task"),
        (["--jobs", "0"], "expected a number from 1 on"),
        (
            ["--task", "1D", "--windows", "2015-06-13"],
            "--windows 2015-06-13: expected last days of windows: 2014-05-25",
        ),
        (["--task", "1D", "-S", "train.epoch=2"], "train.epoch: no such key"),
    ],
)
def test_senseless_arguments_are_named(
    words: list[str], message: str, double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path / "data", make_days())
    with pytest.raises(SystemExit) as stopped:
        fev.main(["--data", str(data), "--out", str(tmp_path / "out"), *words])
    assert message in f"{stopped.value} {capsys.readouterr().err}"
    assert not double.asked


def test_a_folder_without_the_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"train\.csv: no such file; expected the competition's train\.csv"):
        fev.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(("key", "window"), [("1D", "2014-05-25"), ("1W", "2014-04-27")])
def test_the_shipped_configs_forecast_every_row(
    key: str, window: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real commands, in this process, on a small network; closed rows are 0."""

    def within(*words: str | Path) -> measure.Cost:
        done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")
        assert done.exit_code == 0, done.output
        return measure.Cost(0.0, 0.0, 0.0)

    monkeypatch.setattr(measure, "tabcli", within)
    days = make_days()
    data, out = write_data(tmp_path / "data", days), tmp_path / "out"
    quick = ["train.epochs=1", "train.batch_size=512", "train.threads=1", "model.layers=[8]", "calibration.windows=0"]
    small = [part for each in quick for part in ("-S", each)]
    fev.main(["--data", str(data), "--out", str(out), "--task", key, "--windows", window, *small])
    task = fev_tasks.TASKS[key]
    table = fev_tasks.table_of(task, days)
    [chosen] = fev_tasks.chosen(fev_tasks.windows_within(task, days["Date"]), [window])
    truth = fev_tasks.truth_of(table, chosen)
    made = pd.read_csv(out / key / window / "forecasts.csv")
    assert made["Id"].tolist() == truth["Id"].tolist()
    assert (made["Sales"].to_numpy() == 0).tolist() == (truth["Open"].to_numpy() == 0).tolist()
    [scores] = json.loads((out / "scores.json").read_text())[key]["windows"]
    assert 0 < scores["WAPE"] < 1
    assert scores["SQL"] > 0
    assert 0 < scores["held 80"] <= scores["held 95"] <= 1
