"""What a person meets when something else than the config or the data is wrong, or when code has changed."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import tabcli
from tabcli.api import prep as prep_verb
from tabcli.api.sources import PACKAGE, code_identity
from tabcli.errors import ConfigError, ResourceError, UsageError, memory_error
from tabcli.features.frequency import Frequency
from tests.conftest import make_tables, write_folder
from tests.test_cli import run

OF_TORCH = "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import CONFIG

    root = tmp_path_factory.mktemp("errors")
    torch.set_num_threads(1)
    write_folder(root / "data", make_tables())
    tabcli.prep(CONFIG, root / "data", root / "prep")
    tabcli.train(root / "prep", root / "run", overrides=["train.epochs=1", "calibration.windows=0"])
    return root


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(OF_TORCH),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("Attempted to allocate 9 bytes: not enough memory"),
    ],
)
def test_a_full_memory_is_told_from_other_errors(error: Exception) -> None:
    found = memory_error(error)
    assert found is not None
    assert found.exit_code == 6
    assert ("graphics card" in found.message) == ("CUDA" in str(error))
    assert memory_error(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


@pytest.mark.parametrize("members", [1, 2])
def test_a_network_larger_than_the_memory_ends_with_the_code_of_resources(
    job: Path, tmp_path: Path, two_cores: None, members: int
) -> None:
    """More than any machine can address, in this process and in those of several networks."""
    large = ["-S", "model.layers=[1000000000000000]", "-S", f"train.members={members}", "-S", "calibration.windows=0"]
    done = run("train", "--prep", job / "prep", "--out", tmp_path / "run", *large, code=6)
    assert "the memory is full" in done.stderr
    assert "train.batch_size" in done.stderr


def test_a_full_memory_in_predict_is_not_a_corrupt_run(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise RuntimeError(OF_TORCH)

    monkeypatch.setattr("tabcli.forecasting.outputs.predict_outputs", full)
    with pytest.raises(ResourceError, match="the memory is full"):
        tabcli.predict(job / "run", job / "data")


def test_other_code_makes_another_prep(config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = make_tables()
    assert not tabcli.prep(config, tables, tmp_path / "prep").unchanged
    assert tabcli.prep(config, tables, tmp_path / "prep").unchanged
    monkeypatch.setattr(prep_verb, "code_identity", lambda: "other code of the same version")
    with pytest.raises(UsageError):  # it is another one, and nothing is replaced unasked
        tabcli.prep(config, tables, tmp_path / "prep")
    assert not tabcli.prep(config, tables, tmp_path / "prep", force=True).unchanged
    assert tabcli.prep(config, tables, tmp_path / "prep").unchanged


def test_the_identity_of_the_code_follows_what_has_an_effect(tmp_path: Path) -> None:
    def changed(name: str) -> str:
        copy = shutil.copytree(PACKAGE, tmp_path / name.replace("/", "-"), ignore=shutil.ignore_patterns("*.pyc"))
        (copy / name).write_text((copy / name).read_text() + "\n# another line\n")
        return code_identity(copy)

    assert changed("features/dates.py") != code_identity()
    assert changed("cli/render.py") == code_identity()


def test_a_hint_speaks_of_what_was_given(job: Path, tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        tabcli.train(job / "prep", overrides=["metric=wape", "train.epochs=1"])
    assert error.value.hint == (
        "run `tabcli prep` again with -S metric=wape; or train without -S metric=wape to use the prep's own values"
    )
    with pytest.raises(ConfigError) as error:
        tabcli.train(job / "prep", config={**config, "metric": "wape"})
    assert error.value.hint == (
        "run `tabcli prep` again with this config; or train without --config to use the prep's own values"
    )


def test_the_rate_of_an_ensemble_is_that_of_its_first_member(job: Path) -> None:
    """It was sought with the base config, which no member has."""
    variant = ["variants=[{model: {layers: [4]}, train: {batch_size: 16}}]"]
    same = ["model.layers=[4]", "train.batch_size=16"]
    assert tabcli.lr_find(job / "prep", overrides=variant) == tabcli.lr_find(job / "prep", overrides=same)
    assert tabcli.model_summary(job / "prep", overrides=variant) == tabcli.model_summary(job / "prep", overrides=same)


@pytest.mark.parametrize(("step", "text"), [("15min", "15min"), ("2h", "2h"), ("1D", "1d")])
def test_a_step_is_called_what_it_is(tmp_path: Path, step: str, text: str) -> None:
    days = pd.date_range("2024-01-01", periods=900, freq=step, unit="us")
    assert str(Frequency.of(pd.Series(days))) == text
    assert str(Frequency(30, "s")) == "30s"
    one = pd.DataFrame({"when": days, "load": 5.0 + days.hour.to_numpy()})
    rows = pd.concat([one.assign(station=station) for station in ("a", "b")])
    tables = write_one(tmp_path / "data", rows)
    made = tabcli.init(tables, tmp_path / "my.yaml", target="load", series=("station",))
    assert f"a row every {text}" in "\n".join(made.reasons) or f"step {text}" in "\n".join(made.reasons)


def write_one(directory: Path, rows: pd.DataFrame) -> Path:
    directory.mkdir()
    rows.to_csv(directory / "rows.csv", index=False)
    return directory


def test_numbers_that_were_whole_stay_whole_when_filled(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("n,gap,f,half\n1,4,1.5,1\n2,,2.0,2\n9,5,,\n3,6,1,4\n")
    run("fill-missing", table, tmp_path / "o.csv", "--fit", tmp_path / "s.json")
    assert (tmp_path / "o.csv").read_text().splitlines() == [
        "n,gap,f,half,gap_na,f_na,half_na",
        "1,4,1.5,1,False,False,False",
        "2,5,2.0,2,True,False,False",
        "9,5,1.5,2,False,True,True",
        "3,6,1.0,4,False,False,False",
    ]
    table.write_text("n,gap,f,half\n1,4,1.5,1\n")
    run("fill-missing", table, tmp_path / "o.csv", "--state", tmp_path / "s.json")
    assert (tmp_path / "o.csv").read_text().splitlines()[1] == "1,4,1.5,1,False,False,False"


def test_a_key_with_a_comma_in_its_name(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=60)
    one = pd.DataFrame({"day": days, "sales": 10.0 + days.day_of_week.to_numpy()})
    rows = pd.concat([one.assign(**{"shop, id": shop}) for shop in ("a", "b", "c")])
    made = tabcli.init(write_one(tmp_path / "data", rows), tmp_path / "my.yaml")
    assert made.config.series == ("shop, id",)
    assert tabcli.prep(tmp_path / "my.yaml", tmp_path / "data").summary.series == 3
