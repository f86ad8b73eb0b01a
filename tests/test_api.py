"""The API that a notebook wants: exported, typed and documented names; results that show themselves in a few lines."""

import importlib
import inspect
import io
import re
import subprocess
import sys
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tabcli
from tabcli.api.progress import Bar, epoch_text
from tests.conftest import CONFIG, make_tables

VERBS = [name for name in tabcli.__all__ if name.islower() and not name.startswith("_")]
FAST = ["train.epochs=2", "calibration.windows=0"]


@pytest.fixture(scope="module")
def prep() -> Any:
    return tabcli.prep(CONFIG, make_tables())


@pytest.fixture(scope="module")
def run(prep: Any) -> Any:
    return tabcli.train(prep, overrides=FAST)


@pytest.mark.parametrize("name", tabcli.__all__)
def test_every_name_of_the_package_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(tabcli, name)
    if name != "__version__":
        assert inspect.getdoc(value), name
        assert importlib.import_module(value.__module__).__dict__[name] is value


def test_importing_the_package_waits_for_nothing_heavy_and_completion_knows_all() -> None:
    code = (
        "import sys, tabcli; assert set(tabcli.__all__) <= set(dir(tabcli)); tabcli.DataError; "
        "sys.exit(str({'torch', 'pandas', 'numpy', 'pydantic'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_errors_are_caught_by_their_exported_names() -> None:
    kinds = ["UsageError", "ConfigError", "DataError", "BundleError", "ResourceError", "WorkerError"]
    assert [getattr(tabcli, k).exit_code for k in kinds] == [2, 3, 4, 5, 6, 7]
    with pytest.raises(tabcli.ConfigError):
        tabcli.prep({**CONFIG, "format_version": 0}, make_tables())
    with pytest.raises(tabcli.DataError):
        tabcli.prep({**CONFIG, "date": "no such column"}, make_tables())
    with pytest.raises(tabcli.TabcliError):
        tabcli.prep("no such file.yaml", make_tables())


@pytest.mark.parametrize("name", VERBS)
def test_every_parameter_of_a_verb_has_a_type_and_a_line(name: str) -> None:
    verb = getattr(tabcli, name)
    described = re.findall(r"^(\w+): \S", inspect.getdoc(verb) or "", flags=re.MULTILINE)
    parameters = inspect.signature(verb).parameters
    assert described == list(parameters)
    for parameter in parameters.values():
        assert parameter.annotation is not parameter.empty
        assert parameter.kind is not parameter.VAR_KEYWORD


def shown(result: Any) -> list[str]:
    """The lines of a result's repr; as a table it says the same."""
    lines = repr(result).splitlines()
    table = result._repr_html_()
    for name, text in result.brief().items():
        assert f">{name}</th>" in table
        assert escape(text) in table
    assert len(repr(result)) < 700
    return lines


def test_a_prep_shows_rows_dates_columns_and_the_baseline(prep: Any) -> None:
    lines = shown(prep)
    assert len(lines) <= 5
    rows = prep.summary.rows
    assert f"train {rows['train']:,}, validation {rows['valid']:,}, to forecast {rows['future']:,}" in lines[1]
    assert re.search(r"20\d\d-\d\d-\d\d … 20\d\d-\d\d-\d\d, validation from 20\d\d-\d\d-\d\d, a row every 1d", lines[2])
    assert re.search(r"\d+ categorical, \d+ continuous, 2 past only", lines[3])
    assert re.search(r"RMSPE \d+\.\d\d %: the ", lines[4])


def test_a_run_shows_its_score_and_what_it_must_beat(run: Any) -> None:
    lines = shown(run)
    assert len(lines) <= 5
    assert re.search(r"validation +RMSPE \d+\.\d\d % on \d+ rows", lines[1])
    assert re.search(r"to beat +RMSPE \d+\.\d\d %: the ", lines[2])


def test_forecasts_and_their_scores_show_themselves(run: Any) -> None:
    forecast = tabcli.predict(run, make_tables())
    lines = shown(forecast)
    assert len(lines) <= 5
    assert lines[1] == f"  rows      {len(forecast.table):,}, of which {forecast.counts['zero']:,} are 0 by rule"
    truth = forecast.table.assign(units=10.0)
    scores = shown(tabcli.evaluate(forecast.table, truth, by="row"))
    assert len(scores) <= 5
    assert re.search(r"units +RMSPE .*WAPE .*bias ", scores[2])


def test_a_forecaster_shows_what_it_forecasts(run: Any) -> None:
    lines = shown(tabcli.forecaster(run, make_tables()))
    assert [line.split() for line in lines[1:]] == [
        ["target", "units", "by", "shop", "×", "day"],
        ["networks", "1"],
        ["joined", "shops"],
    ]


def test_a_backtest_shows_its_folds_and_the_mean_scores(tmp_path: Path) -> None:
    from tabcli.selection.folds import Backtest

    rows = [("a", "network", 0.1), ("a", "median", 0.3), ("b", "network", 0.2), ("b", "median", 0.2)]
    scores = pd.DataFrame(rows, columns=["fold", "forecast", "wape"])
    result = Backtest(tmp_path, ["a", "b"], scores.assign(std_seeds=0.0, seconds=1.0, megabytes=9.0), "wape")
    assert [line.split(maxsplit=1)[1] for line in shown(result)[1:]] == [
        "2, ending a, b",
        "WAPE  network 15.00 %, median 25.00 %",
        str(tmp_path),
    ]


@pytest.mark.parametrize("name", tabcli.__all__)
def test_every_result_of_a_verb_shows_itself(name: str) -> None:
    from tabcli.shown import Shown

    verb = getattr(tabcli, name)
    if name in VERBS and name not in ("progress", "model_summary"):
        result = inspect.signature(verb, eval_str=True).return_annotation
        assert issubclass(result, Shown)
        assert "__repr__" not in vars(result)
        assert "brief" in vars(result)


def test_init_and_synth_have_parameters_that_are_checked(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="horizont"):
        tabcli.synth(tmp_path / "data", horizont=3)  # type: ignore[call-arg]
    with pytest.raises(tabcli.UsageError, match="products: not of kind retail, which has stores, days"):
        tabcli.synth(tmp_path / "data", products=3)
    made = tabcli.synth(tmp_path / "data", stores=2, days=420, horizon=7)
    assert len(shown(made)) <= 5
    with pytest.raises(TypeError, match="goal"):
        tabcli.init(tmp_path / "data", goal="sales")  # type: ignore[call-arg]
    assert len(shown(tabcli.init(tmp_path / "data"))) <= 5


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_the_network_and_a_line_for_each_epoch(prep: Any) -> None:
    stream = io.StringIO()
    options = [*FAST, "calibration.windows=0"]
    result = tabcli.train(prep, overrides=options, callbacks=tabcli.progress(stream))
    lines = stream.getvalue().splitlines()
    epochs = [line for line in lines if "epoch " in line]
    assert epochs == [epoch_text(replace(record, network="")) for record in result.epochs]
    assert "[####" not in stream.getvalue(), "no bar where there is no terminal"
    assert "embeddings" in lines[0]


def test_the_bar_shows_the_share_and_the_time_left_and_goes_at_the_end() -> None:
    stream, now = Terminal(), 0.0
    bar = Bar(stream, clock=lambda: now)
    now = 30.0
    bar.step(25, 100)
    assert stream.getvalue() == f"training [{'#' * 10}{'.' * 30}]  25 %, 1:30 left"
    bar.say("epoch 1")
    erased = f"\r{' ' * len(bar.shown)}\r"
    assert stream.getvalue().endswith(f"{erased}epoch 1\n{bar.shown}")
    before = len(stream.getvalue())
    bar.step(26, 100)
    assert len(stream.getvalue()) == before, "not drawn for every batch"
    bar.step(100, 100)
    assert bar.shown == ""
    assert stream.getvalue().endswith(erased)
