"""Ensembles, calibration and refit: what each network may learn from, and what is kept when one dies."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.errors import ConfigError
from tabcli.evaluation.calibration import NO_CALIBRATION
from tabcli.forecasting.outputs import predict_target
from tabcli.pipeline.prepare import fit as fit_prep
from tabcli.training.ensemble import fit_ensemble
from tabcli.training.inputs import chosen_history, make_inputs
from tabcli.training.loop import Callbacks
from tests.conftest import HORIZON, make_tables, write_folder

FAST = ["train.epochs=3", "train.batch_size=32", "train.keep=last"]
HISTORY = {
    "windows": ["28d", "14d", "7d"],
    "base": "14d",
    "effects": ["promo"],
    "columns": ["visitors"],
    "season": "21d",
}
KINDS = ("side", "base", "none")


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "history": HISTORY}


def prepare(config: dict[str, Any], tables: dict[str, pd.DataFrame], *overrides: str) -> Prepared:
    return fit_prep(tabcli_config(config, *overrides), tables)


def tabcli_config(config: dict[str, Any], *overrides: str) -> Any:
    from tabcli.config import loading

    return loading.load(config, [*FAST, *overrides])


def with_other_validation_days(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The last HORIZON days of the past sell five times as much."""
    past = tables["train"].copy()
    late = past["day"] > past["day"].max() - pd.Timedelta(HORIZON, unit="D")
    for column in ("units", "visitors"):
        past.loc[late, column] = past.loc[late, column] * 5
    return {**tables, "train": past}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_is_fitted_sees_the_reported_rows(config: dict[str, Any], kind: str) -> None:
    """Other targets on the validation days: the same weights, factor and encoded training rows, other scores."""
    results = []
    for tables in (make_tables(), with_other_validation_days(make_tables())):
        settings = tabcli_config(config, f"model.history={kind}")
        prepared = fit_prep(settings, tables)
        results.append((prepared, fit_ensemble(prepared, settings, Callbacks())))
    (prep_a, a), (prep_b, b) = results
    pd.testing.assert_frame_equal(prep_a.tables["train"], prep_b.tables["train"])
    assert a.calibration == b.calibration
    for name, values in a.members[0].fit.weights.items():
        np.testing.assert_array_equal(values, b.members[0].fit.weights[name])
    np.testing.assert_array_equal(a.outputs, b.outputs)
    assert a.scores != b.scores


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_uses_the_past_up_to_the_end_and_a_refit_learns_from_all_of_it(
    config: dict[str, Any], kind: str
) -> None:
    tables = make_tables()
    settings = [*FAST, f"model.history={kind}", "calibration.windows=0"]
    prep = tabcli.prep(config, data=tables)
    plain = tabcli.train(prep, overrides=settings)
    again = tabcli.train(prep, overrides=settings, refit=True)
    n = {name: len(table) for name, table in prep.prepared.tables.items()}
    assert again.metrics.train_rows > plain.metrics.train_rows
    assert again.metrics.train_rows - plain.metrics.train_rows == n["valid"]
    assert again.metrics.validation == plain.metrics.validation, "what is reported is of before the refit"
    higher = tabcli.prep(config, data=with_other_validation_days(tables))
    means = [
        tabcli.predict(tabcli.train(p, overrides=settings), data=tables).table["units"].mean() for p in (prep, higher)
    ]
    if kind == "none":
        assert means[0] == means[1]
    else:
        assert means[1] != means[0], "the history of the forecast includes the validation days"
    if kind == "base":
        assert means[1] > 1.2 * means[0]


def test_an_ensemble_is_the_mean_of_its_members_times_the_factor(
    config: dict[str, Any], tmp_path: Path, two_cores: None
) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    prep = tabcli.prep(config, data=folder, out=tmp_path / "prep")
    run = tabcli.train(prep, out=tmp_path / "run", overrides=[*FAST, "train.members=2"]).run
    loaded = directories.load_run(tmp_path / "run")
    assert len(run.members) == len(loaded.members) == 2
    assert loaded.calibration == run.calibration
    encoded = prep.prepared.tables["future"]
    dates = encoded["row.day"]
    singles = [
        predict_target(replace(loaded, networks=[n], members=[m], calibration=NO_CALIBRATION), encoded, dates)
        for n, m in zip(loaded.networks, loaded.members, strict=True)
    ]
    assert not np.allclose(singles[0], singles[1])
    np.testing.assert_allclose(
        predict_target(loaded, encoded, dates),
        run.calibration.factor * np.exp(np.mean(np.log(singles), axis=0)),
        rtol=1e-9,
    )
    alone = tabcli.train(
        prep, overrides=[*FAST, "calibration.windows=0", f"seed={prep.prepared.fitted.config.seed + 1}"]
    ).run
    for name, values in alone.members[0].items():
        np.testing.assert_array_equal(values, loaded.members[1][name], err_msg="side by side or not: the same bits")


def test_a_member_can_do_without_some_variables(config: dict[str, Any], tmp_path: Path) -> None:
    """Neither its training nor its forecast depends on them; the other member's do; the bundle keeps who is who."""
    tables = make_tables()
    other = {**tables, "shops": tables["shops"].assign(size=[70.0, 20.0, np.nan, 10.0, 90.0, 10.0])}
    config = {**config, "variants": [{"model": {"without": ["size"], "history": "none"}}, {}]}
    runs = []
    for name, given in (("a", tables), ("b", other)):
        run = tabcli.train(
            tabcli.prep(config, data=given), overrides=[*FAST, "train.members=2", "calibration.windows=0"]
        ).run
        (tmp_path / name).mkdir()
        directories.save_run(tmp_path / name, run, "f", {})
        runs.append(directories.load_run(tmp_path / name))
    assert "size_na" in runs[0].networks[1]["embeddings"]
    assert "size_na" not in runs[0].networks[0]["embeddings"]
    outputs = []
    for i in (0, 1):
        both = [replace(r, networks=[r.networks[i]], members=[r.members[i]], calibration=NO_CALIBRATION) for r in runs]
        with_data = zip(both, (tables, other), strict=True)
        outputs.append([tabcli.predict(r, data=t).table["units"].to_numpy() for r, t in with_data])
    np.testing.assert_array_equal(*outputs[0])
    assert not np.allclose(*outputs[1])


def test_only_a_variable_can_be_left_out(config: dict[str, Any]) -> None:
    prep = tabcli.prep(config, data=make_tables())
    with pytest.raises(ConfigError, match=r"model\.without: no input 'sise'; did you mean 'size'\?"):
        tabcli.train(prep, overrides=["model.without=[sise, kind]"])
    variables = prep.prepared.fitted.preprocessor
    everything = ", ".join([*variables.categorical, *variables.continuous])
    with pytest.raises(ConfigError, match="leaves the network no input"):
        tabcli.train(prep, overrides=[f"model.without=[{everything}]"])


def test_one_that_dies_does_not_lose_the_others(config: dict[str, Any], tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    tabcli.prep(config, data=folder, out=tmp_path / "prep", overrides=["train.epochs=8"])
    command = [
        sys.executable,
        "-m",
        "tabcli",
        "train",
        "--prep",
        str(tmp_path / "prep"),
        "--out",
        str(tmp_path / "run"),
    ]
    command += ["-S", "train.members=2", "-S", "calibration.windows=0", "-S", "train.batch_size=16"]
    partial = tmp_path / "run.partial"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline, seen = time.monotonic() + 90, list[str]()
        while len(seen) < 2 and time.monotonic() < deadline:
            seen += [p.stem for p in partial.glob("member-?.safetensors") if p.stem not in seen]
            time.sleep(0.01)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        logs = {os.readlink(f"/proc/{c}/fd/2"): int(c) for c in children}
        os.kill(logs[str(partial / f"{seen[-1]}.log")], signal.SIGKILL)  # the one that has just begun
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 7, stderr
    assert "1 of 2 networks could not be trained" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "run").exists()
    assert len(list(partial.glob("*.done.safetensors"))) == 1
    rest = ["train.members=2", "calibration.windows=0", "train.batch_size=16"]
    tabcli.train(tmp_path / "prep", tmp_path / "run", overrides=rest, resume=True)
    assert len(directories.load_run(tmp_path / "run").members) == 2
    assert not partial.exists()


def test_a_past_window_is_learned_and_scored_before_the_validation_days(config: dict[str, Any]) -> None:
    settings = tabcli_config(config, "validation.gap=3d")
    prepared = fit_prep(settings, make_tables())
    history = chosen_history(prepared, settings)
    inputs = make_inputs(prepared, settings, 1, history)
    end = prepared.tables["valid"]["row.day"].max() - pd.Timedelta(HORIZON, unit="D")
    assert inputs.scored["row.day"].max() == end
    assert inputs.scored["row.day"].min() == end - pd.Timedelta(HORIZON - 1, unit="D")
    assert inputs.train.drawn is not None
    assert inputs.train.drawn.history is not None
    last = inputs.train.drawn.history.rows.step.max()
    assert inputs.scored["row.step"].min() - last == 4, "the same gap as before the validation days"
