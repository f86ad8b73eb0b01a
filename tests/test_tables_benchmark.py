"""The benchmark of other packages' tables: what is kept aside, what a forecast is matched by, and how it is scored."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tabcli.cli.app import app


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The benchmark without its peers, which need packages that tabcli does not: one that always says 1."""

    def ones(past: pd.DataFrame, step: str, steps: int) -> dict[str, pd.Series]:
        ahead = pd.date_range(past["when"].max(), periods=steps + 1, freq=step)[1:]
        index = pd.MultiIndex.from_product([ahead, past["key"].unique()])
        return {name: pd.Series(1.0, index) for name in ("naive", "lightgbm", "autoets")}

    monkeypatch.setitem(sys.modules, "tables_peers", SimpleNamespace(forecasts=ones, NAIVE=("naive",)))  # type: ignore[arg-type]
    yield importlib.import_module("tables")
    del sys.modules["tables"]


def quarters() -> pd.DataFrame:
    """Two regions × 12 quarters, the second without its last but one: Quarter, region, nights."""
    periods = pd.period_range("2015Q1", periods=12, freq="Q")
    rows = [(f"{p.year} Q{p.quarter}", region, 10 * region + p.quarter) for region in (1, 2) for p in periods]
    return pd.DataFrame(rows, columns=["Quarter", "region", "nights"]).drop(index=22)


def table_of(tables: ModuleType, **changed: Any) -> Any:
    facts = {"name": "nights", "source": "a package", "licence": "MIT", "make": quarters, "when": tables._quarters}
    facts |= {"series": ("region",), "target": "nights", "step": "QS", "steps": 2, "options": ("--target", "nights")}
    return tables.Table(**{**facts, **changed})


def test_the_last_steps_are_kept_aside_for_all_series(tables: ModuleType, tmp_path: Path) -> None:
    known = tables.write_data(table_of(tables), tmp_path)
    past, truth = pd.read_csv(tmp_path / "data" / "sales.csv"), pd.read_csv(tmp_path / "truth.csv")
    assert set(truth["Quarter"]) == {"2017 Q3", "2017 Q4"}
    assert len(truth) == 3
    assert past["Quarter"].max() == "2017 Q2"
    assert len(past) == 20
    assert known["when"].max() == pd.Timestamp("2017-10-01")
    assert table_of(tables).horizon == "6mo"


def test_a_row_without_a_forecast_counts_as_a_forecast_of_nothing(tables: ModuleType) -> None:
    truth = pd.Series([10.0, 30.0], index=["a", "b"])
    assert tables.score(truth, pd.Series([8.0], index=["a"])) == {"wape": 80.0, "bias": -80.0, "without": 1}
    assert tables.score(truth, pd.Series([31.0, 12.0], index=["b", "a"])) == {"wape": 7.5, "bias": 7.5, "without": 0}


@pytest.mark.parametrize("stops", [False, True])
def test_a_table_is_forecast_by_the_commands_and_written_beside_its_peers(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    said = []

    def run(command: list[object]) -> SimpleNamespace:
        words = [str(w) for w in command[1:]]
        said.append(words[0])
        if words[0] == "train":
            words += ["-S", "train.epochs=1", "-S", "train.members=1", "-S", "calibration.windows=0"]
        done = CliRunner().invoke(app, words)
        if done.exit_code or (stops and words[0] == "predict"):
            raise SystemExit(f"stopped: {done.output}")
        return SimpleNamespace(seconds=1.0)

    monkeypatch.setattr(tables.measure, "run", run)
    result = tables.run_table(table_of(tables), tmp_path / "nights", "tabcli")
    assert said == ["init", "prep", "train", "predict"]
    assert (result["rows"], result["series"], result["scored"], result["naive"]["wape"]) == (20, 2, 3, 94.12)
    assert ("failed" in result["tabcli"]) == stops
    row = tables.row_text(result)
    assert row.startswith("| nights | a package | MIT | 20 / 2 | 6mo | ")
    assert "| 94.1 | 94.1 | 94.1 |" in row
    assert ("stopped" in row) == stops
    if not stops:
        made = pd.read_csv(tmp_path / "nights" / "forecast.csv")
        assert result["tabcli"]["without"] == 0
        assert np.isfinite(made["nights"]).all()
        assert row.endswith(f"| {result['tabcli']['wape'] / 94.12:.2f} |")
