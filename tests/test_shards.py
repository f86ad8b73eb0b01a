"""Laws of shards: whatever the rows are cut into, and in whatever order they stand, all is as in memory."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.config import loading
from tabcli.errors import TabcliError
from tabcli.pipeline import cutting, passing, prepare, wider
from tabcli.pipeline.shards import cut, prepare_shards
from tabcli.preprocessing import counts, target
from tests.conftest import CONFIG, make_tables, write_folder

ROOT = Path(__file__).parents[1]

SHARED = ("state.json", "contract.json", "summary.json", "config.json")


def in_memory(config: Mapping[str, Any], data: Any, out: Path) -> Path:
    out.mkdir()
    directories.save_prep(out, prepare.fit(loading.parse(dict(config)), data), "", {})
    return out


def in_shards(config: Mapping[str, Any], data: Any, out: Path, n_shards: int) -> Path:
    work = out.with_suffix(".work")
    out.mkdir()
    cut(loading.parse(dict(config)), data, n_shards, work, "here")
    prepared, written = prepare_shards(work, out, "here")
    directories.finish_shards(out, prepared, written, "", {})
    return out


def rows_of(prep: Path, config: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """All encoded rows and the past, ordered by series and date; series numbered by their keys."""
    found: dict[str, list[pd.DataFrame]] = {}
    for shard in range(directories.n_shards(prep)):
        made: Prepared = directories.load_prep(prep, shard)
        own = {**made.tables, **({"past": made.past} if made.past is not None else {})}
        own |= {"tail": made.fitted.tail, "series": made.fitted.calendar.series.reset_index()}
        own |= {"groups": made.fitted.groups.reset_index().rename(columns={"index": "row.series"})}
        own["events"] = made.fitted.calendar.to_tables()[1]
        keys = made.fitted.calendar.series.itertuples(index=False)
        names = pd.Series([" ".join(map(str, key)) for key in keys], dtype="str")
        for name, table in own.items():
            place = next((c for c in ("row.series", "series", "index") if c in table), None)
            assert place is not None, name
            found.setdefault(name, []).append(table.assign(**{place: names.reindex(table[place]).to_numpy()}))
    whole = {}
    for name, tables in found.items():
        table = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
        order = ("row.series", "series", "index", f"row.{config['date']}", "step", "event", "seconds", "row.ago")
        keys = [c for c in order if c in table]
        whole[name] = table.sort_values(keys, ignore_index=True)
    return whole


def assert_same(one: Path, other: Path, config: Mapping[str, Any]) -> None:
    for name in SHARED:
        assert (one / name).read_text() == (other / name).read_text(), name
    mine, theirs = rows_of(one, config), rows_of(other, config)
    assert mine.keys() == theirs.keys()
    for name, table in mine.items():
        pd.testing.assert_frame_equal(table, theirs[name], check_exact=True, obj=name, check_dtype=name != "tail")


def shuffled(tables: Mapping[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    return {n: t.sample(frac=1, random_state=seed, ignore_index=True) for n, t in tables.items()}


@pytest.mark.parametrize("n_shards", [2, 7])
def test_shards_are_as_in_memory(n_shards: int, tmp_path: Path) -> None:
    whole = in_memory(CONFIG, make_tables(), tmp_path / "whole")
    assert_same(whole, in_shards(CONFIG, make_tables(), tmp_path / "cut", n_shards), CONFIG)
    assert_same(whole, in_shards(CONFIG, shuffled(make_tables(), n_shards), tmp_path / "shuffled", n_shards), CONFIG)


# ----------------------------------------------------------------------- the shipped configs, and others

KINDS = {
    "retail": ("quickstart", {"stores": 7, "days": 448}),
    "weekly": ("weekly", {"stores": 3, "products": 3, "weeks": 130}),
    "hourly": ("hourly", {"stations": 4, "hours": 24 * 90}),
}

VARIANTS: dict[str, tuple[str, list[str]]] = {
    "retail": ("retail", []),
    "weekly": ("weekly", []),
    "hourly": ("hourly", []),
    "inputs by rule": ("retail", ["categorical=auto", "continuous=auto", "history=null"]),
    "medians over series": ("weekly", ["baseline=[category, promo, region]", "metric=mase"]),
    "a power that fits": ("weekly", ["target.transform=boxcox", "target.nonpositive=drop", "metric=wape"]),
    "history of other columns": ("retail", ["history.columns=[customers]", "target.transform=identity"]),
    "rows that are not there": ("weekly", ["target.no_row=zero", "availability.static=[]"]),
    "ends of their own": ("weekly", ["id=null", "target.no_row=zero"]),
    "targets that were cut short": ("weekly", ["target.censored_where={sold_out: 1}", "validation.gap=2w"]),
    "quantiles and groups": (
        "retail",
        ["metric=pinball", "quantile=0.8", "card.sensitive=[state, competition_distance]"],
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The generated tables of each kind, without some rows: late series, gaps, and one that ended."""
    made = {}
    for kind, (_, size) in KINDS.items():
        made[kind] = tmp_path_factory.mktemp(kind) / "data"
        tabcli.synth(made[kind], kind=kind, **size)
        path = made[kind] / "train.csv"
        rows = pd.read_csv(path, dtype="str", keep_default_na=False)
        rng = np.random.default_rng(3)
        keys = [c for c in ("store", "product", "station") if c in rows]
        series = rows.groupby(keys).ngroup()
        at = rows.groupby(keys).cumcount() / series.map(series.value_counts())
        gone = (rng.random(len(rows)) < 0.03) | ((series == 1) & (at < 0.4)) | ((series == 2) & (at > 0.8))
        sold_out = (rng.random(len(rows)) < 0.02).astype("int64")
        rows.assign(sold_out=sold_out)[~gone].to_csv(path, index=False)
    return made


def config_of(variant: str) -> dict[str, Any]:
    kind, overrides = VARIANTS[variant]
    config = loading.load(ROOT / "configs" / f"{KINDS[kind][0]}.yaml", overrides).dump()
    if variant == "ends of their own":
        del config["tables"]["future"]
        config["forecast"]["start"] = "own"
    return config


@pytest.mark.parametrize("variant", VARIANTS)
def test_shards_of_files_are_as_in_memory(variant: str, folders: dict[str, Path], tmp_path: Path) -> None:
    data = shutil.copytree(folders[VARIANTS[variant][0]], tmp_path / "data")
    config = config_of(variant)
    whole = in_memory(config, data, tmp_path / "whole")
    assert cutting.streams(loading.parse(config), data)
    assert_same(whole, in_shards(config, data, tmp_path / "cut", 3), config)
    for path in (data / config["tables"][name]["file"] for name in ("train", "future") if name in config["tables"]):
        rows = pd.read_csv(path, dtype="str", keep_default_na=False)
        rows.sample(frac=1, random_state=5).to_csv(path, index=False)
    assert_same(whole, in_shards(config, data, tmp_path / "shuffled", 2), config)


@pytest.mark.parametrize("variant", ["medians over series", "a power that fits", "history of other columns"])
def test_what_is_too_much_for_memory_has_the_same_bits(
    variant: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Different values, groups and arrays, of each of which no more than a handful is held in memory."""
    monkeypatch.setattr(target, "SAMPLED", 100)
    config, data = config_of(variant), folders[VARIANTS[variant][0]]
    whole = in_memory(config, data, tmp_path / "whole")
    for module, name in ((counts, "FEW"), (wider, "MOST"), (passing, "LARGE")):
        monkeypatch.setattr(module, name, 64)
    assert_same(whole, in_shards(config, data, tmp_path / "cut", 3), config)


# ----------------------------------------------------------------------------------------------- errors


def spoilt(tables: dict[str, pd.DataFrame], name: str, column: str, value: object) -> dict[str, pd.DataFrame]:
    """The tables with another value in the last but one row of one of them."""
    column_of = tables[name][column].astype("object")
    column_of.iloc[-2] = value
    return {**tables, name: tables[name].assign(**{column: column_of})}


def wrong_rows(case: str) -> dict[str, pd.DataFrame]:
    """Tables with rows in each series that are wrong."""
    tables = make_tables()
    train = tables["train"].sort_values(["day", "shop"], ignore_index=True)
    match case:
        case "repeated":
            train = pd.concat([train, train.iloc[[700, 3, 4, 5, 6, 7, 8]]], ignore_index=True)
        case "no date" | "no shop":
            column = "day" if case == "no date" else "shop"
            train[column] = train[column].astype("object").where(~train.index.isin([1, 2, 3, 4, 5, 6, 900]), "")
        case "ahead":
            tables["future"] = pd.concat([tables["future"]] * 2, ignore_index=True)
            tables["future"]["row"] = np.arange(len(tables["future"])) + 1000
    return {**tables, "train": train}


@pytest.mark.parametrize("case", ["repeated", "no date", "no shop", "ahead"])
@pytest.mark.parametrize("no_row", ["missing", "zero"])
def test_wrong_keys_are_counted_in_all_shards(case: str, no_row: str, tmp_path: Path) -> None:
    config = {**CONFIG, "target": {**CONFIG["target"], "no_row": no_row}}
    data = write_folder(tmp_path / "data", wrong_rows(case))
    with pytest.raises(TabcliError) as there:
        in_memory(config, data, tmp_path / "whole")
    with pytest.raises(TabcliError) as here:
        in_shards(config, data, tmp_path / "cut", 3)
    assert (here.value.message, here.value.hint) == (there.value.message, there.value.hint)


@pytest.mark.parametrize("in_table", ["shops", "train"])
def test_what_is_counted_in_one_shard_says_so(in_table: str, tmp_path: Path) -> None:
    """Months that are no months in a lookup table, or in the rows."""
    tables = make_tables()
    if in_table == "train":
        config = {**CONFIG, "frequency": "2d", "history": {}}
    else:
        config, tables["shops"]["since_month"] = CONFIG, 13
    data = write_folder(tmp_path / "data", tables)
    with pytest.raises(TabcliError) as there:
        in_memory(config, data, tmp_path / "whole")
    with pytest.raises(TabcliError) as here:
        in_shards(config, data, tmp_path / "cut", 3)
    words = " (counted in one of 3 shards: there may be more)"
    assert here.value.message.endswith(words)
    assert there.value.message.split("rows")[1] == here.value.message.removesuffix(words).split("rows")[1]


@pytest.mark.parametrize(
    ("name", "column", "value", "changes"),
    [
        ("train", "units", 0, {"target": {"column": "units", "transform": "log"}}),
        ("train", "units", -1, {"target": {"column": "units", "transform": "log1p"}}),
        ("train", "units", "twelve", {}),
        ("train", "day", "yesterday", {}),
        ("train", "day", "", {}),
        ("train", "shop", "", {}),
        ("train", "promo", "?", {"continuous": ["promo"], "categorical": ["shop"]}),
        ("future", "row", 1003, {}),
        ("future", "day", "2021-07-28", {}),
    ],
)
def test_what_is_wrong_is_said_as_in_memory(
    name: str, column: str, value: object, changes: dict[str, Any], tmp_path: Path
) -> None:
    tables = make_tables()
    tables["train"] = tables["train"][tables["train"]["units"] > 0]
    data = write_folder(tmp_path / "data", spoilt(tables, name, column, value))
    config = {**CONFIG, **changes}
    with pytest.raises(TabcliError) as there:
        in_memory(config, data, tmp_path / "whole")
    with pytest.raises(TabcliError) as here:
        in_shards(config, data, tmp_path / "cut", 3)
    assert (type(here.value), here.value.message, here.value.hint) == (
        type(there.value),
        there.value.message,
        there.value.hint,
    )
