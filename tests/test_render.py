"""What a person reads on the terminal: results made by hand, word for word; numbers as JSON has them."""

import io
import json
import math
import sys
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.artifacts.records import TrainMetrics
from tabcli.artifacts.summary import PrepSummary
from tabcli.cli.render import (
    changes_text,
    print_json,
    render_inspection,
    render_prep,
    render_train,
)
from tabcli.cli.terminal import echo_table
from tabcli.reports.inspection import ColumnFacts, Inspection
from tests.conftest import examples

# -------------------------------------------------------------------------------------------------- JSON

TEXT = st.text('aä€"\\\n', max_size=3)
SCALAR = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | TEXT
VALUES = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(TEXT, SCALAR, max_size=3)


def without_what_json_lacks(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_what_json_lacks(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_what_json_lacks(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@examples(40)
@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_json_is_what_was_given_with_null_for_what_is_no_number(value: dict[str, Any]) -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        print_json(value)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    made = json.loads(stream.getvalue(), parse_constant=refuse)
    assert made == {"schema_version": 1, **without_what_json_lacks(value)}


# ---------------------------------------------------------------------------------------------- prep, train


def prep_result(rows: dict[str, Any] = {}, **changes: Any) -> Any:  # noqa: B006
    summary = {
        "rows": {
            "read": {"train": 12_345, "future": 60},
            "sampled": False,
            "dropped": {"units = 0": 45, "no target": 0},
            "gap": 0,
            "train": 12_000,
            "valid": 300,
            "future": 60,
        },
        "dates": {
            "train_start": "2020-01-01T00:00:00",
            "train_end": "2020-06-30T00:00:00",
            "valid_start": "2020-07-01T00:00:00",
            "valid_end": "2020-07-20T00:00:00",
        },
        "columns": {"categorical": ["shop", "promo"], "continuous": ["size"], "past only": ["visitors"]},
        "series": 1_115,
        "frequency": "1d",
        "unmatched": {"shops": 3, "weather": 0},
        "filled_inputs": {"open": 1},
        "codes": {
            "train": {"shop": {"missing": 0, "unknown": 0}, "promo": {"missing": 1_200, "unknown": 0}},
            "future": {"shop": {"missing": 0, "unknown": 2}, "promo": {"missing": 0, "unknown": 0}},
        },
        "filled": {"train": {"size": 7}, "future": {"size": 0}},
        "clipped": 0,
        "metric": "rmspe",
        "baseline": {
            "by": ["shop"],
            "all": {"the median by shop": 0.1577, "the last value": 0.25},
        },
    }
    summary = {**summary, "rows": {**summary["rows"], **rows}, **changes}  # type: ignore[dict-item]
    found = PrepSummary.from_state(summary)  # type: ignore[arg-type]
    given = {"summary": found, "unchanged": False, "megabytes": (12.4, 345.6), "path": "prep", "shards": 1}
    return SimpleNamespace(**given)


def test_prep_word_for_word() -> None:
    assert "\n".join(render_prep(prep_result())) == (
        "rows read      train 12,345, future 60\n"
        "left out       units = 0 45\n"
        "train          12,000 rows, 2020-01-01 … 2020-06-30\n"
        "validation     300 rows, 2020-07-01 … 2020-07-20\n"
        "to forecast    60 rows\n"
        "series         1,115, a row every 1d\n"
        "categorical    2: shop, promo\n"
        "continuous     1: size\n"
        "past only      1: visitors\n"
        "no match       shops 3 rows\n"
        "filled inputs  open 1\n"
        "missing        train: promo 1,200, size 7\n"
        "missing        future: none\n"
        "unknown        future: shop 2\n"
        "to beat        RMSPE 15.77 %: the median by shop\n"
        "                     25.00 %: the last value\n"
        "memory         346 MB at the peak; the encoded tables have 12 MB\n"
        "written: prep"
    )


@pytest.mark.parametrize(
    ("changes", "there", "not_there"),
    [
        ({"clipped": 1_234}, "taken as 0     1,234 negative targets", "unchanged"),
        ({"unmatched": {"shops": 0}}, "filled inputs", "no match"),
        ({"filled_inputs": {"open": 0}}, "no match", "filled inputs"),
    ],
)
def test_what_did_not_happen_is_not_told(changes: dict[str, Any], there: str, not_there: str) -> None:
    text = "\n".join(render_prep(prep_result(**changes)))
    assert there in text
    assert not_there not in text


def test_a_prep_of_shards_says_how_many() -> None:
    result = prep_result()
    result.shards = 7
    lines = list(render_prep(result))
    assert "series         1,115, in 7 shards, a row every 1d" in lines
    assert "memory         346 MB at the peak of a process; the first shard's encoded tables have 12 MB" in lines


def test_an_unchanged_prep_says_so_and_a_sample_its_series() -> None:
    result = prep_result({"sampled": True})
    del result.summary.rows["future"]
    result.unchanged = True
    lines = list(render_prep(result))
    assert lines[-1] == "unchanged: prep"
    assert lines[1] == "sampled        1115 whole series"
    assert not any(line.startswith(("memory", "to forecast")) for line in lines)


def window(score: float, wape: float, bias: float) -> dict[str, float]:
    return {"n_rows": 100, "members": 1, "score": score, "wape": wape, "bias": bias}


def train_result(**changes: Any) -> Any:
    metrics = {
        "metric": "rmspe",
        "valid_rmspe": 0.1,
        "valid_rmspe_uncalibrated": 0.1,
        "factor": 1.0,
        "shift": 0.0,
        "seconds": 1.0,
        "valid_rows": 43_065,
        "best_epoch": 7,
        "members": [0.1],
        "calibration": {"factor": 0.9859, "shift": 0.0},
        "windows": [
            {"start": "2015-05-03T00:00:00", "end": "2015-06-19T00:00:00", **window(0.11, 0.07, 0.01)},
            {"start": "2015-06-20T00:00:00", "end": "2015-08-06T00:00:00", **window(0.13, 0.08, -0.02)},
        ],
        "expected": 0.12,
        "expected_std": 0.01,
        "baseline": {"by": ["shop"], "all": {"the median by shop": 0.16}},
        "refitted": False,
        "train_rows": 798_454,
        "judged_on": 2,
        "floor": {"share": 0.0, "mixture": {}, "gain": 0.0},
        "better": {},
    }
    found = TrainMetrics.from_state({**metrics, **changes})  # type: ignore[arg-type]
    learned = SimpleNamespace(
        target=SimpleNamespace(transform="log"),
        train=SimpleNamespace(loss="mse"),
        calibration=SimpleNamespace(metric="auto", windows=2),
    )
    run = SimpleNamespace(fitted=SimpleNamespace(config=learned))
    return SimpleNamespace(metrics=found, unchanged=False, path="run", run=run)


def test_train_word_for_word() -> None:
    assert list(render_train(train_result())) == [
        "validation     RMSPE 10.00 % on 43,065 rows (epoch 7)",
        "calibration    forecasts × 0.9859, which lowers the error of past windows that it was not fitted to",
        "37.5 % better than the best naive forecast: the median by shop (16.00 %)",
        "past window    2015-05-03 … 2015-06-19: RMSPE 11.00 %, WAPE 7.00 %, bias  1.00 %",
        "past window    2015-06-20 … 2015-08-06: RMSPE 13.00 %, WAPE 8.00 %, bias -2.00 %",
        "expected       RMSPE 12.00 % ± 1.00 %, as in 2 past windows",
        "written: run",
    ]


def test_rows_that_decide_a_window_are_told_beside_what_is_expected() -> None:
    rare = {"usual": 0.115, "rare": 1, "worst": "shop 7, 2015-07-01"}
    dates = {"start": "2015-06-20T00:00:00", "end": "2015-08-06T00:00:00"}
    lines = list(render_train(train_result(windows=[{**dates, **window(0.13, 0.08, -0.02), **rare}])))
    assert lines[-2] == (
        "               in the window to 2015-08-06 one of 100 rows errs more than twice as far as any of another "
        "(most: shop 7, 2015-07-01): with just twice that error it counts as 11.50 %"
    )
    little = {**dates, **window(0.13, 0.08, -0.02), **rare, "usual": 0.129}
    assert not any("2015-08-06 one" in line for line in render_train(train_result(windows=[little])))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"members": [0.1, 0.12]},
            "validation     RMSPE 10.00 % on 43,065 rows (mean of 2 members, alone 11.00 % on average)",
        ),
        (
            {"calibration": {"factor": 1.0, "shift": -12.5}},
            "calibration    forecasts -12.5, which lowers the error of past windows that it was not fitted to",
        ),
        ({"valid_rmspe": 0.24}, "50.0 % worse than the best naive forecast: the median by shop (16.00 %)"),
        (
            {"floor": {"share": 0.5, "mixture": {"the last value": 0.2, "the median by shop": 0.8}, "gain": 0.123}},
            "floor          40 % the median by shop, 10 % the last value; on past windows 12.3 % less error than "
            "networks alone",
        ),
        (
            {"floor": {"share": 0.0, "mixture": {"the last value": 1.0}, "gain": 0.0}},
            "floor          networks alone: the best naive forecasts of past windows add nothing to them",
        ),
        (
            {"better": {"rmspe": 0.25, "wape": -0.125}},
            "               their error is 25.0 % less by RMSPE, 12.5 % more by WAPE than that of the best naive "
            "forecasts",
        ),
        (
            {"shards": 3, "valid_rmspe": 0.24},
            "50.0 % worse than the best naive forecast: the median by shop (16.00 %, for all series)",
        ),
        ({"refitted": True}, "refitted       on all 798,454 rows; the scores above are of the networks before"),
    ],
)
def test_what_else_training_may_have_to_say(changes: dict[str, Any], line: str) -> None:
    assert line in list(render_train(train_result(**changes)))


@pytest.mark.parametrize(
    ("biases", "warned"),
    [((-0.2, -0.25), True), ((0.2, 0.25), True), ((-0.2, 0.25), False), ((-0.01, -0.02), False), ((-0.2,), False)],
)
def test_a_bias_that_past_windows_agree_in_is_warned_of(biases: tuple[float, ...], warned: bool) -> None:
    dates = {"start": "2015-05-03T00:00:00", "end": "2015-06-19T00:00:00"}
    windows = [{**dates, **window(0.3, 0.3, b)} for b in biases]
    lines = list(render_train(train_result(windows=windows)))
    found = [line for line in lines if line.startswith("warning")]
    assert bool(found) == warned
    if warned:
        way = "low" if biases[0] < 0 else "high"
        assert found == [
            f"warning        the sum of the forecast was 22.50 % too {way} on average, in all 2 past windows"
        ]
    assert not any("calibration.metric" in line for line in lines), "a metric that asks for no median"


def test_what_to_expect_names_its_windows_one_or_several() -> None:
    one = {"start": "2015-05-03T00:00:00", "end": "2015-06-19T00:00:00", **window(0.12, 0.07, 0.01)}
    assert "expected       RMSPE 12.00 %, as in 1 past window" in list(render_train(train_result(windows=[one])))


def test_where_absolute_errors_count_it_is_said_how_sums_come_right() -> None:
    dates = {"start": "2015-05-03T00:00:00", "end": "2015-06-19T00:00:00"}
    windows = [{**dates, **window(0.3, 0.3, b)} for b in (-0.2, -0.25)]
    scores = {"metric": "wape", "valid_wape": 0.3, "valid_wape_uncalibrated": 0.3}
    lines = list(render_train(train_result(windows=windows, **scores)))
    assert lines[-2] == "               absolute errors ask for a median; to order by sums, -S calibration.metric=rmse"
    assert "past window    2015-05-03 … 2015-06-19: WAPE 30.00 %, bias -20.00 %" in lines


@pytest.mark.parametrize(
    ("judged_on", "wanted", "why"),
    [
        (2, "auto", "no factor lowers the error"),
        (1, "auto", "too few past windows"),
        (2, "none", "the config wants none"),
    ],
)
def test_why_there_is_no_calibration_is_told(judged_on: int, wanted: str, why: str) -> None:
    result = train_result(calibration={"factor": 1.0, "shift": 0.0}, judged_on=judged_on)
    result.run.fitted.config.calibration.metric = wanted
    assert [line for line in render_train(result) if line.startswith("calibration") and why in line]


def test_no_calibration_and_a_perfect_baseline_are_no_trouble() -> None:
    none, perfect = {"factor": 1.0, "shift": 0.0}, {"by": ["shop"], "all": {"the last value": 0.0}}
    lines = list(render_train(train_result(calibration=none, baseline=perfect)))
    assert lines[1].startswith("calibration    none: no factor lowers the error")
    assert lines[2].startswith("0.0 %")


# ----------------------------------------------------------------------------------------------- tables


def test_a_table_is_right_aligned_with_the_metrics_in_their_units(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame({"Store": [7, 1_115], "rows": [48, 9], "rmspe": [0.123, float("nan")], "mae": [1234.5, 2.0]})
    echo_table(table.assign(bias=[0.01, -0.02]))
    assert capsys.readouterr().out.splitlines() == [
        "Store  rows        RMSPE       MAE     bias",
        "    7    48      12.30 %  1,234.50   1.00 %",
        " 1115     9  not defined         2  -2.00 %",
    ]


def test_changes_are_told_with_their_paths() -> None:
    assert changes_text({"train.lr": 0.01, "model.layers": [8, 4]}) == "train.lr = 0.01, model.layers = [8, 4]"
    assert changes_text({}) == ""


# -------------------------------------------------------------------------------------------- inspection

COLUMNS = (
    ColumnFacts("units", "target", "int", 0, None, 87, 1, 4321, (1, 8, 4)),
    ColumnFacts("holiday_of_the_whole_country_and_its_states", "categorical", "code", 3, 0, 4, "a", "z", (9, 1)),
    ColumnFacts("size", "continuous", "float", None, None, None, 1 / 3, 2.5e9, ()),
)
RESULT = Inspection(
    "prep", "prep", {"rows": {"train": 1_000, "valid": 20}, "factor": 0.98765432, "by": ["a", "b"]}, COLUMNS
)


class Terminal(io.StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.named = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.named


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_an_inspection_fits_what_the_terminal_can_show(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal(encoding))
    lines = list(render_inspection(RESULT))
    rich = encoding == "utf-8"
    assert lines[0] == "prep prep"
    assert lines[1:4] == [
        "rows             train 1,000, valid 20",
        "factor           0.987654",
        "by               a, b",
    ]
    assert lines[4] == ""
    if not rich:
        "\n".join(lines).encode("ascii")
    dots = "…" if rich else ".."
    assert lines[5].split() == ["column", "role", "type", "missing", "unknown", "values", "range", "distribution"]
    assert lines[6].split()[:2] == ["units", "target"]
    assert f"1 {dots} 4321" in lines[6]
    assert lines[6].endswith("▁█▄" if rich else "_#-")
    assert f"{'holiday_of_the_whole_country_and_its_states'[: 30 - len(dots)]}{dots}" in lines[7]
    assert f"0.333333 {dots} 2.5e+09" in lines[8]


def test_columns_in_which_nothing_stands_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal("utf-8"))
    bare = Inspection("t.csv", "table", {"rows": 2}, (ColumnFacts("n", "", "int", 0),))
    assert list(render_inspection(bare))[-2:] == ["column  type  missing", "n       int         0"]
