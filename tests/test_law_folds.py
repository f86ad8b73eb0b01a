"""The law of folds: what a backtest scores is what a person would have got that day, with nothing but the tables of
that day: the same encoded inputs bit for bit, and the same forecasts.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import tabcli
from tabcli.bundle import directories
from tabcli.cli.app import app
from tabcli.config import loading
from tabcli.config.yaml12 import parse_yaml
from tabcli.pipeline.apply import apply
from tabcli.pipeline.joined import join, load, ready_lookups
from tabcli.pipeline.prepare import encode
from tabcli.selection.folds import as_of_fold
from tests.conftest import examples

ROOT = Path(__file__).parents[1]
FAST = ["train.epochs=1", "model.layers=[16]", "train.members=2", "calibration.windows=1", "train.threads=1"]


def run(*command: object) -> None:
    done = CliRunner().invoke(app, [str(c) for c in command])
    assert done.exit_code == 0, done.output + done.stderr


KINDS = {
    "quickstart": ("retail", {"stores": 8, "days": 500, "horizon": 20}, "train", "20d"),
    "weekly": ("weekly", {"stores": 3, "products": 4, "weeks": 120, "horizon": 6}, "train", "6w"),
    "hourly": ("hourly", {"stations": 2, "hours": 2100, "horizon": 48}, "train", "48h"),
    "sold out": ("retail", {"stores": 8, "days": 500, "horizon": 20}, "train", "20d"),
}


def shipped(name: str) -> dict[str, Any]:
    """A config of the repository; *sold out* is the first one with rows whose target is cut short."""
    values: dict[str, Any]
    if name == "sold out":
        values = shipped("quickstart")
        values["target"] |= {"censored_where": {"SoldOut": 1}}
        values["availability"]["past_only"] = [*values["availability"]["past_only"], "SoldOut"]
    else:
        values = parse_yaml((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"), source=name)
    return values


def config_for(name: str, horizon: str, directory: Path) -> Path:
    """A shipped config that always has a table of rows to forecast, and as short a horizon as the test's tables."""
    config = shipped(name)
    train = config["tables"]["train"]
    config["tables"]["future"] = {**train, **config["tables"].get("future", {}), "file": "ahead.parquet"}
    config["tables"]["train"] = {**train, "file": "past.parquet"}
    config["validation"] = {**config.get("validation", {}), "last": horizon}
    config.pop("id", None)
    path = directory / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return path


@pytest.mark.parametrize("name", list(KINDS))
def test_a_backtest_scores_what_the_command_line_gives_on_tables_that_end_at_the_cutoff(
    name: str, tmp_path: Path
) -> None:
    kind, sizes, _, horizon = KINDS[name]
    tabcli.synth(tmp_path / "synth", kind=kind, seed=3, **sizes)
    raw = shipped(name)
    config = config_for(name, horizon, tmp_path)
    given_data, hand = tmp_path / "all", tmp_path / "hand"
    given_data.mkdir()
    hand.mkdir()
    rows = pd.read_csv(tmp_path / "synth" / raw["tables"]["train"]["file"], low_memory=False)
    if name == "sold out":
        rows["SoldOut"] = ((rows.index % 5 == 0) & (rows["sales"] > 0)).astype("int64")
        rows["sales"] = rows["sales"].where(rows["SoldOut"] == 0, (rows["sales"] * 0.8).astype("int64"))
    for file in (tmp_path / "synth").glob("*.csv"):
        for folder in (given_data, hand):
            (folder / file.name).write_bytes(file.read_bytes())
    rows.to_parquet(given_data / "past.parquet", index=False)
    dates = pd.to_datetime(rows[raw["date"]])
    step = pd.Timedelta({"d": 1, "w": 7, "h": 1 / 24}[horizon[-1]], unit="D")
    end = dates.max() - 3 * step
    cutoff = end - int(horizon[:-1]) * step
    known = [c for c in rows.columns if c not in (raw["target"]["column"], *raw["availability"].get("past_only", []))]
    rows[dates <= cutoff].to_parquet(hand / "past.parquet", index=False)
    rows.loc[(dates > cutoff) & (dates <= end), known].to_parquet(hand / "ahead.parquet", index=False)
    rows.loc[dates > dates.max() - step, known].to_parquet(given_data / "ahead.parquet", index=False)
    overrides = [part for o in FAST for part in ("-S", o)]
    run("prep", "--config", config, "--data", hand, "--out", tmp_path / "prep", *overrides)
    run("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run", "--refit", *overrides)
    run("predict", tmp_path / "run", "--data", hand, "--out", tmp_path / "forecast.parquet")
    end_text = end.isoformat() if end != end.normalize() else str(end.date())
    backtest = ["backtest", "--config", config, "--data", given_data, "--out", tmp_path / "folds", "--folds", "0"]
    run(*backtest, "--end", end_text, "--peers", "median", *overrides)
    fold = next((tmp_path / "folds").glob("fold-*"))
    scored = pd.read_parquet(fold / "forecasts.parquet")
    got = pd.read_parquet(tmp_path / "forecast.parquet")
    keys = [c for c in scored.columns if c in got.columns]
    got[raw["date"]] = pd.to_datetime(got[raw["date"]])
    both = scored.merge(got, on=keys, how="left", validate="one_to_one")
    assert len(scored) > 0.5 * len(got)
    if name == "sold out":
        within = rows[(dates > cutoff) & (dates <= end)]
        assert len(scored) == ((within["SoldOut"] == 0) & (within["sales"] > 0)).sum()
    np.testing.assert_array_equal(both["network"], both[raw["target"]["column"]])
    expected = directories.load_run(tmp_path / "run").metrics.expected
    assert expected > 0


# ------------------------------------------------------------------------------------ generated schemas


def draw_case(data: st.DataObject) -> tuple[dict[str, Any], dict[str, pd.DataFrame], int, int]:
    """A config and tables, with whatever looks ahead or back: events, joins with and without dates, lags, spans."""
    unit = data.draw(st.sampled_from(["d", "w", "h", "mo"]))
    n, horizon, gap = 60, data.draw(st.integers(2, 6)), data.draw(st.integers(0, 3))
    steps = {"d": "D", "w": "W-MON", "h": "h", "mo": "MS"}[unit]
    dates = pd.date_range("2019-01-01", periods=n, freq=steps)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    keys = ["shop", "item"] if data.draw(st.booleans()) else ["shop"]
    rows = pd.DataFrame({"shop": np.repeat(["a", "b", "c"], n), "day": np.tile(dates, 3)})
    if "item" in keys:
        rows["item"] = 1
    rows["promo"] = rng.integers(0, 2, 3 * n)
    rows["closed"] = (rng.random(3 * n) < 0.2).astype(int)
    rows["visitors"] = rng.integers(1, 90, 3 * n)
    rows["units"] = np.exp(rng.normal(3, 0.3, 3 * n)).round(2)
    rows = rows[rng.random(3 * n) < data.draw(st.sampled_from([1.0, 0.9]))].reset_index(drop=True)
    size = f"{data.draw(st.integers(1, 9))}{unit}"
    cap = f"{data.draw(st.integers(1, 15))}{unit}"
    event = {"window": size, "cap": cap}
    lag = f"{(horizon + gap) * 2}{unit}"
    lookup = pd.DataFrame({"when": dates, "index": rng.normal(size=n)})
    calendar = pd.DataFrame({"day": dates, "fair": rng.integers(0, 2, n)})
    config: dict[str, Any] = {
        "format_version": 1,
        "tables": {
            "train": {"file": "t"},
            "shops": {"file": "s"},
            "index": {"file": "i"},
            "fairs": {"file": "f"},
        },
        "series": keys,
        "date": "day",
        "metric": "wape",
        "target": {"column": "units"},
        "availability": {"known_in_advance": ["promo", "closed"], "past_only": ["visitors"]},
        "joins": [
            {"table": "shops", "on": "shop"},
            {"table": "index", "as_of": "when", "lag": lag},
            {"table": "fairs", "on": "day", "known_in_advance": True},
        ],
        "features": {
            "date_parts": ["day"],
            "events": {
                "Promo": {"where": {"promo": 1}, **event},
                "Closed": {"where": {"closed": 1}, **event},
                "Fair": {"where": {"fair": 1}, **event},
            },
            "spans": {"Open": {"since": {"date": "opened"}, "unit": "months", "cap": 30}},
        },
        "validation": {"last": f"{horizon}{unit}", "gap": f"{gap}{unit}"},
    }
    if data.draw(st.booleans()):
        config["history"] = {"effects": ["promo"], "columns": ["visitors"]}
    opened = pd.to_datetime(["2015-03-01", "2018-02-01", None])
    tables = {
        "train": rows,
        "shops": pd.DataFrame({"shop": ["a", "b", "c"], "kind": ["x", "y", "x"], "opened": opened}),
        "index": lookup,
        "fairs": calendar,
    }
    return config, tables, horizon, gap


@examples(25)
@given(data=st.data())
def test_folds_validation_rows_and_forecasts_have_the_same_inputs_bit_for_bit(data: st.DataObject) -> None:
    """Three ways to one cutoff: a fold of long tables, by hand on cut ones, and the validation rows of a prep."""
    values, tables, _, _ = draw_case(data)
    config = loading.parse(values)
    train = tables["train"]
    source = load(config, tables)
    frequency, _ = source.timing()
    last = pd.Timestamp(train["day"].max())
    end = frequency.after(last, -data.draw(st.integers(0, 4)))
    past, within = as_of_fold(source, end)
    fold = encode(join(past))
    applied = apply(fold.fitted, {}, rows=past.tables["future"], lookups=ready_lookups(past))

    cutoff = past.tables["train"]["day"].max()
    known = [*config.series, "day", "promo", "closed"]
    hand_config = loading.parse({**values, "tables": {**values["tables"], "future": {"file": "n"}}})
    hand_tables = {**tables, "train": train[train["day"] <= cutoff], "future": train.loc[within, known]}
    hand = encode(join(load(hand_config, hand_tables)))
    encoded = apply(hand.fitted, hand_tables).encoded.table
    pd.testing.assert_frame_equal(applied.encoded.table.reset_index(drop=True), encoded.reset_index(drop=True))
    for part in ("train", "valid"):
        pd.testing.assert_frame_equal(fold.tables[part], hand.tables[part])

    ended = {**source.tables, "train": train[train["day"] <= end].reset_index(drop=True)}
    prep = encode(join(load(config, ended)))
    valid = prep.tables["valid"]
    if prep.fitted.split.valid_end == end and len(valid) == within.sum():
        mine = apply(prep.fitted, {}, rows=past.tables["future"], lookups=ready_lookups(past)).encoded.table
        shared = [c for c in mine.columns if c in valid.columns]
        pd.testing.assert_frame_equal(valid[shared], mine[shared].reset_index(drop=True))
