"""Two runs beside each other: the verdict by hand computation, planted differences, settings, errors."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

import tabcli
from tabcli.artifacts.contents import Run
from tabcli.bundle.directories import load_run
from tabcli.cards.segments import past_rows
from tabcli.cli.app import app
from tabcli.reports.report_rows import report_rows
from tabcli.reports.two_runs import TwoRuns, two_runs
from tests.conftest import CONFIG, make_tables, write_folder
from tests.test_report import FEW, one_kind


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two runs that learned with other rates, each with two past windows."""
    folder, tables = tmp_path_factory.mktemp("two"), make_tables()
    prepared = tabcli.prep(CONFIG, tables)
    for name, more in (("a", []), ("b", ["train.lr=0.02", "seed=8"])):
        tabcli.train(prepared, folder / name / "run", overrides=[*FEW, "train.epochs=1", *more])
    write_folder(folder / "data", tables)
    return {name: folder / name / "run" for name in "ab"} | {"data": folder / "data"}


def worse(run: Run, noise: float, seed: int = 0) -> Run:
    """The run as if its networks had erred more: noise on the learned scale, of its own on each date."""
    assert run.past is not None
    rng = np.random.default_rng(seed)
    dates = pd.factorize(run.past["date"])[0]
    return dataclasses.replace(
        run, past=run.past.assign(output=run.past["output"] + noise * rng.normal(size=400)[dates])
    )


def compared(first: Run, second: Run) -> TwoRuns:
    rows = [report_rows(run, None, None, None) for run in (first, second)]
    return two_runs(("A", "B"), rows[0], rows[1])


def exact(run: Run) -> Run:
    """The run as if its networks had forecast what happened."""
    assert run.past is not None
    target = run.fitted.target
    return dataclasses.replace(run, past=run.past.assign(output=target.scaled(run.past["actual"])))


def test_the_verdict_is_that_of_a_hand_computation(runs: dict[str, Path]) -> None:
    loaded = [load_run(runs[k]) for k in "ab"]
    found = tabcli.compare(runs["a"], runs["b"]).numbers
    first, second = map(past_rows, loaded)
    size = first["actual"].sum()
    errors = [(t["forecast"] - t["actual"]).abs() for t in (first, second)]
    first_days = first.groupby("window")["date"].transform("min")
    blocks = first["window"].astype(str) + "/" + ((first["date"] - first_days).dt.days // 7).astype(str)
    sums = (errors[1] - errors[0]).groupby(blocks).sum() / size
    assert found.verdict is not None
    v = found.verdict
    assert (v.rows, v.blocks) == (len(first), len(sums))
    assert (v.first, v.second) == pytest.approx([e.sum() / size for e in errors])
    error = sums.std() * np.sqrt(len(sums))
    assert v.difference == pytest.approx(sums.sum())
    assert v.sure == pytest.approx(stats.t.cdf(abs(sums.sum()) / error, len(sums) - 1))
    assert v.low == pytest.approx(sums.sum() + stats.t.ppf(0.1, len(sums) - 1) * error)
    assert [w.rows for w in found.windows] == first.groupby("window").size().tolist()
    assert found.names == ("a", "b")
    assert {s.name: (s.first, s.second) for s in found.settings} == {
        "train.lr": ("0.01", "0.02"),
        "seed": ("7", "8"),
    }


def test_a_better_run_is_named_and_equal_ones_are_not(runs: dict[str, Path]) -> None:
    run = exact(load_run(runs["a"]))
    bad, slightly = worse(run, 0.2), worse(run, 0.01)
    assert "A is better than B: past windows were off by 0.00 %" in tabcli.compare(run, bad).sentence
    assert "B is better than A" in tabcli.compare(bad, slightly).sentence
    same = tabcli.compare(bad, bad)
    assert "the two runs are as good as each other" in same.sentence
    assert same.numbers.settings == ()
    equals = [compared(worse(run, 0.1, 2 * k), worse(run, 0.1, 2 * k + 1)) for k in range(20)]
    assert all(found.verdict is not None and found.verdict.sure is not None for found in equals)
    assert sum(" is better than " in found.sentence for found in equals) <= 9  # 4 are expected, by 90 % on either side


def test_forecasts_are_compared_row_by_row(runs: dict[str, Path]) -> None:
    found = tabcli.compare(runs["a"], runs["b"], runs["data"]).numbers
    tables = [tabcli.predict(runs[k], runs["data"], columns=["shop"]).table for k in "ab"]
    assert found.whole is not None
    assert [found.whole.first, found.whole.second] == pytest.approx([t["units"].sum() for t in tables])
    shops = [t.groupby("shop")["units"].sum() for t in tables]
    apart = (shops[1] - shops[0]).abs().sort_values(ascending=False)
    assert [p.name for p in found.series] == [str(k) for k in apart.index]
    assert len(found.periods) == 20
    assert found.periods[0].change == pytest.approx(found.periods[0].second / found.periods[0].first - 1)


def test_runs_that_cannot_be_compared_are_refused(runs: dict[str, Path]) -> None:
    config, tables = one_kind("D", 200)
    other = tabcli.train(
        tabcli.prep({**config, "validation": {"last": "14d"}}, tables), overrides=["calibration.windows=0"]
    )
    with pytest.raises(tabcli.UsageError, match="A and B forecast other targets: units and sold"):
        tabcli.compare(runs["a"], other)
    loaded = load_run(runs["a"])
    bare = tabcli.compare(loaded, dataclasses.replace(loaded, past=None))
    assert bare.sentence == "units: no past window was forecast by both runs, so nothing says which is better."
    assert bare.numbers.verdict is None


def test_the_command_writes_page_numbers_and_plots(runs: dict[str, Path], tmp_path: Path) -> None:
    words = ["report", runs["a"], runs["b"], "--data", runs["data"], "--out", tmp_path / "two.html"]
    more: list[Any] = ["--json", tmp_path / "two.json", "--plots", tmp_path / "plots"]
    done = CliRunner().invoke(app, [*map(str, words + more)])
    assert done.exit_code == 0, done.output
    numbers, page = json.loads((tmp_path / "two.json").read_text()), (tmp_path / "two.html").read_text()
    assert done.stdout.splitlines()[0] == numbers["sentence"]
    assert "<script" not in page
    assert 'content="default-src &#39;none&#39;' in page or "content=\"default-src 'none'" in page
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == [
        "forecasts.png",
        "forecasts.svg",
        "windows.png",
        "windows.svg",
    ]
    assert page == tabcli.compare(runs["a"], runs["b"], runs["data"]).html
    for wrong in ([runs["a"]] * 3, [runs["a"], runs["b"], "--horizon", "3d"]):
        done = CliRunner().invoke(app, ["report", *map(str, wrong), "--out", str(tmp_path / "x.html")])
        assert done.exit_code == 2, done.output
        assert "error: " in done.stderr
