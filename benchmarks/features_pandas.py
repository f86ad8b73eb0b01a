"""The features of configs/rossmann.yaml in plain vectorised pandas: what an analyst would write.

    python benchmarks/features_pandas.py DATA OUT

The same encoded columns as `tabcli prep`, without its checks, its history and its state.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from dateutil.easter import easter

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "configs" / "rossmann.yaml").read_text(encoding="utf-8"))
DAY = pd.Timedelta(days=1)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def join_tables(folder: Path) -> pd.DataFrame:
    """All rows with the columns of the other tables; those to forecast have no Sales."""

    def read(name: str, **options: object) -> pd.DataFrame:
        return pd.read_csv(folder / f"{name}.csv", **options)

    dated = {"parse_dates": ["Date"], "dtype": {"StateHoliday": str}}
    rows = pd.concat([read("train", **dated), read("test", **dated)], ignore_index=True)
    rows["Open"] = rows["Open"].fillna(1)
    rows = rows.merge(read("store"), how="left", on="Store").merge(read("store_states"), how="left", on="Store")
    rows = rows.merge(read("state_names"), how="left", on="State")
    weather = read("weather", parse_dates=["Date"]).rename(columns={"file": "StateName"})
    rows = rows.merge(weather, how="left", on=["StateName", "Date"])
    trend = read("googletrend")
    trend["WeekEnd"] = pd.to_datetime(trend["week"].str.split(" - ").str[1])
    trend["State"] = trend["file"].str.extract("Rossmann_DE_(.+)")[0].replace("NI", "HB,NI")
    rows["row"], rows["yesterday"] = np.arange(len(rows)), rows["Date"] - DAY
    rows, trend = rows.sort_values("yesterday"), trend.sort_values("WeekEnd")
    as_of = {"left_on": "yesterday", "right_on": "WeekEnd", "tolerance": 20 * DAY}
    states, country = trend.dropna(subset="State"), trend[trend["State"].isna()].rename(columns={"trend": "trend_DE"})
    rows = pd.merge_asof(rows, states[["State", "WeekEnd", "trend"]], by="State", **as_of)
    rows = pd.merge_asof(rows.drop(columns="WeekEnd"), country[["WeekEnd", "trend_DE"]], **as_of)
    return rows.sort_values("row").reset_index(drop=True)


def date_features(rows: pd.DataFrame) -> None:
    dates = rows["Date"].dt
    rows["Year"], rows["Month"], rows["Day"] = dates.year, dates.month, dates.day
    rows["Elapsed"] = (rows["Date"] - pd.Timestamp(0)) // pd.Timedelta(seconds=1)
    for k in (1, 2, 3):
        angle = 2 * np.pi * k * (rows["Elapsed"] / 86400) / 365.25
        rows[f"Season_sin{k}"], rows[f"Season_cos{k}"] = np.sin(angle), np.cos(angle)
    sundays = rows["Year"].map({y: pd.Timestamp(easter(y)) for y in rows["Year"].unique()})
    days = (rows["Date"] - sundays).dt.days
    rows["Carnival"] = days.where(days.between(-52, -46))
    left = (rows["Date"] + pd.offsets.MonthEnd(0) - rows["Date"]).dt.days
    weekday = rows["Date"].dt.day_of_week
    rows["TradingDaysLeft"] = left - ((weekday + left + 1) // 7 - (weekday + 1) // 7)  # less the Sundays


def since_features(rows: pd.DataFrame) -> None:
    months = (rows["Year"] - rows["CompetitionOpenSinceYear"]) * 12
    months += rows["Month"] - rows["CompetitionOpenSinceMonth"]
    rows["CompetitionMonthsOpen"] = months.clip(0, 24)
    week = rows["Promo2SinceYear"] * 100 + rows["Promo2SinceWeek"]
    start = pd.to_datetime(week.dropna().astype(int).astype(str) + "1", format="%G%V%u").reindex(rows.index)
    rows["Promo2Weeks"] = ((rows["Date"] - start).dt.days // 7).clip(0, 25)
    short = rows["Month"].map(dict(enumerate(MONTHS, 1)))
    listed = pd.Series(False, index=rows.index)
    for month in MONTHS:
        listed |= (short == month) & rows["PromoInterval"].str.contains(month, na=False)
    rows["Promo2Starts"] = (listed & (start <= rows["Date"])).astype(int)


def event_features(rows: pd.DataFrame) -> pd.DataFrame:
    """Days since and until each event, events in windows of seven days, days in a row; by store and date."""
    rows = rows.sort_values(["Store", "Date"], ignore_index=True)
    mirrored = pd.Timestamp(0) + (rows["Date"].max() - rows["Date"])
    for name, event in CONFIG["features"]["events"].items():
        (column, wanted), cap = next(iter(event["where"].items())), int(event["cap"][:-1])
        flag = rows[column].isin(wanted if isinstance(wanted, list) else [wanted])
        on = rows["Date"].where(flag).groupby(rows["Store"])
        rows[f"After{name}"] = (rows["Date"] - on.ffill()).dt.days.clip(upper=cap).fillna(cap + 1)
        rows[f"Before{name}"] = (on.bfill() - rows["Date"]).dt.days.clip(upper=cap).fillna(cap)
        for suffix, axis in (("bw", rows["Date"]), ("fw", mirrored)):
            table = pd.DataFrame({"Store": rows["Store"], "at": axis, "flag": flag.astype(float)})
            table = table.sort_values(["Store", "at"])
            sums = table.groupby("Store").rolling("7D", on="at")["flag"].sum().to_numpy()
            rows[f"{name}_{suffix}"] = pd.Series(sums, index=table.index).astype(int)
        for suffix, order in (("last", 1), ("next", -1)):
            table = rows[["Store", "Date"]].assign(flag=flag)[::order]
            same = (table["Store"] == table["Store"].shift()) & ((table["Date"] - table["Date"].shift()).abs() == DAY)
            runs = (~(same & table["flag"])).cumsum()
            length = table["flag"].astype(int).groupby(runs).cumsum()
            rows[f"{name}_{suffix}"] = length.shift(fill_value=0).where(same, 0).clip(upper=cap)
    return rows.sort_values("row", ignore_index=True)


def encode(rows: pd.DataFrame, out: Path) -> None:
    """Categorify, fill, normalise by the training rows, and write train, valid and future."""
    known = rows["Sales"] > 0
    last = rows.loc[rows["Sales"].notna(), "Date"].max()
    start = last - (rows["Date"].max() - last - DAY)
    train = known & (rows["Date"] < start)
    encoded = pd.DataFrame(index=rows.index)
    for name in CONFIG["categorical"]:
        levels = np.sort(rows.loc[train, name].dropna().unique())
        codes = pd.Index(levels).get_indexer(rows[name]) + 2
        encoded[name] = np.where(rows[name].isna(), 0, codes).astype("int32")
    for name in CONFIG["continuous"]:
        values, missing = rows[name].astype("float64"), rows[name].isna()
        values = values.fillna(values[train].median())
        if missing[train].any():
            encoded[f"{name}_na"] = missing.astype("int32") + 2
        std = values[train].std(ddof=0)
        encoded[name] = ((values - values[train].mean()) / std).astype("float32")
    encoded["y"] = np.log(rows["Sales"].where(known)).astype("float32")
    encoded["row.Sales"], encoded["row.Store"], encoded["row.Date"] = rows["Sales"], rows["Store"], rows["Date"]
    out.mkdir(parents=True, exist_ok=True)
    parts = {"train": train, "valid": known & ~train, "future": rows["Sales"].isna()}
    for name, part in parts.items():
        encoded[part].to_parquet(out / f"{name}.parquet", index=False)


if __name__ == "__main__":
    table = join_tables(Path(sys.argv[1]))
    date_features(table)
    since_features(table)
    encode(event_features(table), Path(sys.argv[2]))
