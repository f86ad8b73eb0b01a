"""A law: whatever the config, the tables and the command line, a documented error or success; never a bug.

Exit code 1 stands for any exception that is none of tabcli's own; here that exception itself fails the test.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import tabcli
from tabcli.cli.app import app
from tabcli.config.schema import Config
from tabcli.errors import TabcliError
from tests.conftest import CONFIG, examples, make_tables, write_folder

CODES = {0, 2, 3, 4, 5, 6, 7}

HISTORY = {"windows": ["56d", "28d", "7d"], "base": "28d", "effects": ["promo"], "columns": ["visitors"]}

FULL: dict[str, Any] = {**copy.deepcopy(CONFIG), "history": HISTORY}
FULL["train"] = {**FULL["train"], "epochs": 1, "precision": "float32"}

KEPT = ("epochs", "members", "threads", "device", "heads", "periodic", "history_width", "file", "format_version")
"""Keys whose values decide how long a test takes, or that are checked elsewhere."""


def law(n: int) -> Any:
    return settings(examples(n), suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A warning is no exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def key_paths(node: dict[str, Any], root: dict[str, Any], values: Any, depth: int = 4) -> Iterator[tuple[Any, ...]]:
    """Every key that a config may have, with the names that FULL has where names are free."""
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    for part in node.get("anyOf", []):
        yield from key_paths(part, root, values, depth)
    inner = dict(node.get("properties", {}))
    if isinstance(node.get("additionalProperties"), dict) and isinstance(values, dict):
        inner |= dict.fromkeys(values, node["additionalProperties"])
    if "items" in node and isinstance(values, list):
        inner |= dict.fromkeys(range(len(values)), node["items"])
    for key, part in inner.items():
        if key in KEPT or depth == 0:
            continue
        yield (key,)
        below = values[key] if isinstance(values, list) else values.get(key) if isinstance(values, dict) else None
        yield from ((key, *path) for path in key_paths(part, root, below, depth - 1))


SCHEMA = Config.model_json_schema(by_alias=True)
PATHS = sorted({*key_paths(SCHEMA, SCHEMA, FULL)}, key=str)

WORDS = """shop day units promo open visitors holiday kind size since_year rounds Promo_bw train shops dayMonth
0d 1d 7d 3mo 20h 15min 999999d log1p identity boxcox mase pinball rmsle wape mape %Y %Q UTC a,b row.day y
auto future last yes huber side none DE x"""

SCALARS = st.sampled_from([None, True, False, 0, -1, 1, 2, 3, 0.5, 0.99, 1.5, -0.1, 1e-9, "", " ", *WORDS.split()])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["promo", "shop", "x", "date"]), inner),
    max_leaves=4,
)


def changed(values: dict[str, Any], changes: Sequence[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
    """A config with other values in these places, as far as the places are there."""
    made = copy.deepcopy(values)
    for path, value in changes:
        place: Any = made
        for key in path[:-1]:
            if isinstance(place, dict):
                place = place.setdefault(key, {})
            elif isinstance(place, list) and isinstance(key, int) and key < len(place):
                place = place[key]
            else:
                break
        if isinstance(place, dict) or (isinstance(place, list) and isinstance(path[-1], int) and path[-1] < len(place)):
            place[path[-1]] = value
    return made


def documented(error: TabcliError) -> None:
    assert error.exit_code in CODES
    assert error.message


def whole_job(config: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
    """prep, train and predict, or an expected error."""
    try:
        run = tabcli.train(tabcli.prep(config, tables))
        tabcli.predict(run, tables)
        tabcli.predict(run, tables, horizon="3d")
    except TabcliError as error:
        documented(error)


@law(25)
@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=2))
@example([(("forecast", "fill"), {"open": "yes"})])
@example([(("variants",), [{"model": {"layers": [8], "dropout": [0.1, 0.1]}}])])
def test_no_config_is_a_bug(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    whole_job(changed(FULL, changes), make_tables())


ODD_COLUMNS: dict[str, Any] = {
    "all missing": lambda n: np.full(n, np.nan),
    "all missing texts": lambda n: pd.Series([None] * n, dtype="str"),
    "all missing dates": lambda n: pd.Series([pd.NaT] * n),
    "infinite": lambda n: np.where(np.arange(n) % 3 == 0, np.inf, 1.5),
    "minus infinite": lambda n: np.full(n, -np.inf),
    "huge": lambda n: np.full(n, 1e300) * (1 + np.arange(n) / n),
    "tiny": lambda n: np.full(n, 1e-300) * (1 + np.arange(n)),
    "zero": lambda n: np.zeros(n, dtype="int64"),
    "one": lambda n: np.ones(n, dtype="int64"),
    "negative": lambda n: -np.arange(n, dtype="int64"),
    "large whole": lambda n: np.arange(n, dtype="uint64") + 2**63,
    "words": lambda n: np.where(np.arange(n) % 2 == 0, "a", "b"),
    "empty words": lambda n: np.full(n, ""),
    "numbers as words": lambda n: pd.Series(np.arange(n) % 7).astype("str"),
    "words and numbers": lambda n: pd.Series(np.where(np.arange(n) % 2 == 0, "a", "3")),
    "true": lambda n: np.ones(n, dtype=bool),
    "true or missing": lambda n: pd.Series(np.where(np.arange(n) % 2 == 0, True, None), dtype=object),
    "dates": lambda n: pd.date_range("2020-01-01", periods=n, unit="us"),
    "one date": lambda n: pd.Series([pd.Timestamp("2020-01-01")] * n),
    "old dates": lambda n: pd.Series([pd.Timestamp("0001-01-01", unit="us")] * n),
    "moments of a zone": lambda n: pd.date_range("2020-01-01", periods=n, tz="UTC"),
    "a category of dates": lambda n: pd.Series(pd.Categorical([pd.NaT, *pd.date_range("2020-01-01", periods=n - 1)])),
    "lengths of time": lambda n: pd.Series(pd.to_timedelta(np.arange(n), unit="h")),
    "lists": lambda n: pd.Series([[1]] * n, dtype=object),
    "different each": lambda n: pd.Series(np.arange(n)).astype("str") + "x",
}

TABLE_COLUMNS = sorted((name, str(c)) for name, table in make_tables().items() for c in table.columns)


def with_odd(tables: dict[str, pd.DataFrame], place: tuple[str, str], what: str) -> dict[str, pd.DataFrame]:
    name, column = place
    table = tables[name]
    if what in ("without it", "one row", "twice", "no row", "half of it missing"):
        new = {
            "without it": lambda: table.drop(columns=column),
            "one row": lambda: table.iloc[:1],
            "twice": lambda: pd.concat([table, table]),
            "no row": lambda: table.iloc[:0],
            "half of it missing": lambda: table.assign(**{column: table[column].where(np.arange(len(table)) % 2 == 0)}),
        }[what]()
    else:
        values = ODD_COLUMNS[what](len(table))
        new = table.assign(**{column: values if isinstance(values, np.ndarray) else pd.Series(values).array})
    return {**tables, name: new}


ODDITIES = [*ODD_COLUMNS, "without it", "one row", "twice", "no row", "half of it missing"]


@law(25)
@given(
    place=st.sampled_from(TABLE_COLUMNS),
    what=st.sampled_from(ODDITIES),
    auto=st.booleans(),
    transform=st.sampled_from(["log", "log1p", "identity", "boxcox"]),
    only_predict=st.booleans(),
)
def test_no_table_is_a_bug(place: tuple[str, str], what: str, auto: bool, transform: str, only_predict: bool) -> None:
    config = changed(FULL, [(("target", "transform"), transform), (("metric",), "wape")])
    if auto:
        config = changed(config, [(("categorical",), "auto"), (("continuous",), "auto")])
    plain = make_tables()
    tables = with_odd(plain, place, what)
    if not only_predict:
        whole_job(config, tables)
        return
    try:
        tabcli.predict(trained(auto, transform), tables)
    except TabcliError as error:
        documented(error)


RUNS: dict[tuple[bool, str], Any] = {}


def trained(auto: bool, transform: str) -> Any:
    """A run on the plain tables, made once."""
    if (auto, transform) not in RUNS:
        config = changed(FULL, [(("target", "transform"), transform), (("metric",), "wape")])
        if auto:
            config = changed(config, [(("categorical",), "auto"), (("continuous",), "auto")])
        RUNS[auto, transform] = tabcli.train(tabcli.prep(config, make_tables()), overrides=["calibration.windows=0"])
    return RUNS[auto, transform]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, a config, a prep, a run, and what is none of these."""
    root = tmp_path_factory.mktemp("words")
    write_folder(root / "data", make_tables())
    (root / "my.yaml").write_text(Config.model_validate(FULL).to_yaml(), encoding="utf-8")
    tabcli.prep(FULL, root / "data", root / "prep")
    tabcli.train(root / "prep", root / "run", overrides=["calibration.windows=0"])
    (root / "empty").mkdir()
    (root / "nothing.csv").write_text("")
    (root / "words.txt").write_bytes(b"\xff\xfe\x00 no table")
    return root


COMMANDS = ["prep", "train", "predict", "evaluate", "inspect", "lr-find", "init", "synth", "add-datepart"]
COMMANDS += ["categorify", "fill-missing", "normalize", "config check", "config show", "config schema", "backtest"]

PLACES = ["data", "my.yaml", "prep", "run", "empty", "nothing.csv", "words.txt", "nowhere", "data/past.csv"]
PLACES += ["data/shops.csv", "data/ahead.csv", "run/manifest.json", "prep/train.parquet", "out.csv", "out.parquet"]

OPTIONS = ["--force", "--json", "--resume", "--refit", "--columns=shop", "--columns=,", "--horizon=3d", "--horizon=x"]
OPTIONS += [
    "-Strain.epochs=1",
    "-Smetric=wape",
    "-Sx",
    "-Sa.b=[",
    "-Sseries=3",
    "--sample=20",
    "--sample=-1",
    "--on=shop",
]
OPTIONS += ["--by=kind", "--date=day", "--series=shop", "--target=units", "--read=decimal=,", "--read=x", "--folds=0"]
OPTIONS += ["--end=x", "--step=7d", "--gap=3d", "--quantile=2", "--column=day", "--days=5", "--stores=2", "--seed=-1"]

PAIRS = ["--config", "--data", "--out", "--prep", "--history", "--fit", "--state"]


@law(25)
@given(data=st.data())
def test_no_command_line_is_a_bug(folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    work = tmp_path_factory.mktemp("work")
    command = data.draw(st.sampled_from(COMMANDS))
    place = st.sampled_from(PLACES).map(lambda p: str(folder / p))
    words = command.split() + data.draw(st.lists(place, max_size=2))
    for option in data.draw(st.lists(st.sampled_from(PAIRS), max_size=4, unique=True)):
        where = str(work / "out.csv") if option in ("--out", "--fit") else data.draw(place)
        words += [option, where]
    if command in ("backtest", "synth", "train", "prep") and "--out" not in words:
        words += ["--out", str(work / "out")]
    words += data.draw(st.lists(st.sampled_from(OPTIONS), max_size=3))
    if command == "synth":
        words[1:] = [str(work / "synth"), *words[2:]]
    before = sorted(p.relative_to(folder) for p in folder.rglob("*"))
    done = CliRunner().invoke(app, words, prog_name="tabcli")
    assert done.exit_code in CODES, f"{words}\n{done.output}"
    assert sorted(p.relative_to(folder) for p in folder.rglob("*")) == before or "out" in " ".join(words)
