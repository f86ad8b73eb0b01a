"""`tabcli evaluate` with the rows known before: MASE and naive forecasts, by hand; text tables of other writing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from tabcli.cli.app import app


def run(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
    assert "Traceback" not in done.output
    return done


def sales() -> pd.DataFrame:
    """Two items over 6 weeks of days, one of them with texts for a name like a number's."""
    rng = np.random.default_rng(5)
    days = pd.date_range("2024-01-01", periods=42)
    rows = pd.MultiIndex.from_product([["A", "007"], days], names=["item", "day"]).to_frame(index=False)
    rows["deal"] = rng.integers(0, 2, len(rows))
    rows["units"] = rng.integers(1, 40, len(rows)) * 1.0
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """history (the scored week included, as in a table that has grown since), truth without keys, forecast with."""
    rows = sales()
    late = rows["day"] >= "2024-02-05"
    rows.to_csv(tmp_path / "history.csv", index=False)
    scored = rows[late].assign(row=np.arange(14))
    scored[["row", "units"]].to_csv(tmp_path / "truth.csv", index=False)
    scored.assign(units=scored["units"] + 2).to_csv(tmp_path / "made.csv", index=False)
    forecast = pd.read_csv(tmp_path / "made.csv", dtype={"item": str})
    forecast[["row", "item", "day", "deal", "units"]].to_csv(tmp_path / "made.csv", index=False)
    return tmp_path


def words(folder: Path, *more: object) -> list[object]:
    given = ["--history", folder / "history.csv", "--date", "day", "--series", "item"]
    return ["evaluate", folder / "made.csv", folder / "truth.csv", "--on", "row", *given, *more]


def test_mase_and_naive_forecasts_by_hand(folder: Path) -> None:
    made = json.loads(run(*words(folder, "--events", "deal", "--json")).stdout)
    rows = sales()
    past, scored = rows[rows["day"] < "2024-02-05"], rows[rows["day"] >= "2024-02-05"]
    scale = past.groupby("item")["units"].apply(lambda u: np.abs(u.to_numpy()[7:] - u.to_numpy()[:-7]).mean())
    assert made["mase"] == pytest.approx((2 / scored["item"].map(scale)).mean())
    wape = {row["forecast"]: row["wape"] for row in made["naive"]}
    actual = scored["units"].to_numpy()

    def expected(forecast: "pd.Series[float]") -> float:
        return float(np.abs(actual - forecast.to_numpy()).sum() / actual.sum())

    last = past.groupby("item")["units"].last()
    assert wape["the last value"] == pytest.approx(expected(scored["item"].map(last)))
    week_ago = rows["units"].shift(7)[scored.index]
    assert wape["the last season's value"] == pytest.approx(expected(week_ago))
    medians = past.groupby(["item", "deal"])["units"].median()
    by_deal = pd.Series([medians[k] for k in zip(scored["item"], scored["deal"], strict=True)])
    assert wape["the median by item × deal"] == pytest.approx(expected(by_deal))
    assert set(wape) == {
        "the median by item × deal",
        "the median by item × season × deal",
        "the last season's value",
        "the last value",
    }
    text = run(*words(folder)).stdout
    assert f"MASE   {made['mase']:.4g}" in text
    assert "the median by item × season" in text


def test_targets_from_the_first_scored_date_on_are_not_looked_at(folder: Path) -> None:
    before = run(*words(folder, "--json")).stdout
    rows = pd.read_csv(folder / "history.csv", dtype={"item": str})
    rows.loc[rows["day"] >= "2024-02-05", "units"] = 1e6
    rows.to_csv(folder / "history.csv", index=False)
    assert run(*words(folder, "--json")).stdout == before


def test_what_a_history_lacks_is_named(folder: Path) -> None:
    forecast = pd.read_csv(folder / "made.csv", dtype=str)
    forecast[["row", "day", "units"]].to_csv(folder / "made.csv", index=False)
    done = run(*words(folder), code=4)
    assert "neither predictions nor actuals have the column item of the history" in done.stderr
    assert "tabcli predict … --columns item,day" in done.stderr
    done = run("evaluate", folder / "made.csv", folder / "truth.csv", "--date", "day", code=2)
    assert "--history goes with --date and --series" in done.stderr
    rows = sales()
    rows[rows["day"] >= "2024-02-05"].to_csv(folder / "history.csv", index=False)
    forecast[["row", "item", "day", "units"]].to_csv(folder / "made.csv", index=False)
    assert "the history has no row with a target before 2024-02-05" in run(*words(folder), code=4).stderr


def test_mase_is_not_defined_without_two_seasons(folder: Path) -> None:
    rows = sales()
    rows[rows["day"] >= "2024-02-01"].to_csv(folder / "history.csv", index=False)
    assert "MASE   not defined" in run(*words(folder)).stdout
    made = json.loads(run(*words(folder, "--json")).stdout)
    assert made["mase"] is None
    assert [row["mase"] for row in made["naive"]] == [None] * 4


def test_tables_of_other_writing_are_read_as_told(tmp_path: Path) -> None:
    """Semicolons, decimal commas, days first: for evaluate, inspect, add-datepart and the single steps."""
    (tmp_path / "p.csv").write_text("id,sales\n1,1.5\n2,3\n")
    (tmp_path / "a.csv").write_text("id;sales\n1;1,5\n2;2,0\n")
    (tmp_path / "d.csv").write_text("day;price\n03.04.2015;1.234,5\n04.04.2015;2,5\n")
    read = ["--read", "decimal=,", "--read", "delimiter=;"]
    made = json.loads(run("evaluate", tmp_path / "p.csv", tmp_path / "a.csv", *read, "--json").stdout)
    assert made["mae"] == 0.5
    days = [*read, "--read", "day_first=true", "--read", "thousands=."]
    facts = json.loads(run("inspect", tmp_path / "d.csv", *days, "--json").stdout)
    assert {c["name"]: c["high"] for c in facts["columns"]}["price"] == 1234.5
    out = tmp_path / "out.csv"
    run("add-datepart", tmp_path / "d.csv", out, "--column", "day", *days)
    assert pd.read_csv(out)[["price", "dayMonth", "dayDay"]].to_numpy().tolist() == [[1234.5, 4, 3], [2.5, 4, 4]]
    run("normalize", tmp_path / "d.csv", out, "--fit", tmp_path / "s.json", "--columns", "price", *days)
    assert pd.read_csv(out)["price"].to_numpy() == pytest.approx([1, -1])
    done = run("inspect", tmp_path / "d.csv", "--read", "decimals=,", code=2)
    assert "decimals: no such option; did you mean 'decimal'?" in done.stderr
    assert "expected OPTION=VALUE" in run("inspect", tmp_path / "d.csv", "--read", "decimal", code=2).stderr
    assert "encoding: expected the name of an encoding" in (
        run("inspect", tmp_path / "d.csv", "--read", "encoding=xx", code=2).stderr
    )


def test_a_history_of_series_that_are_texts(tmp_path: Path) -> None:
    """Keys that are matched by default, all of them texts but the date; and events that are texts."""
    rows = sales().assign(item=lambda r: "S" + r["item"], deal=lambda r: np.where(r["deal"] == 1, "yes", "no"))
    late = rows["day"] >= "2024-02-05"
    rows.to_csv(tmp_path / "h.csv", index=False)
    rows[late].to_csv(tmp_path / "y.csv", index=False)
    rows[late].assign(units=lambda r: r["units"] + 2).to_csv(tmp_path / "f.csv", index=False)
    given = ["--history", tmp_path / "h.csv", "--date", "day", "--series", "item", "--events", "deal", "--json"]
    made = json.loads(run("evaluate", tmp_path / "f.csv", tmp_path / "y.csv", *given).stdout)
    assert made["mae"] == pytest.approx(2)
    assert np.isfinite(made["mase"])
    assert [row["forecast"] for row in made["naive"]] == [
        "the median by item × deal",
        "the median by item × season × deal",
        "the last season's value",
        "the last value",
    ]
