"""The search alone, with a judge that trains nothing: what it tries, what it keeps, and where it goes on."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tabcli.config.loading import load
from tabcli.config.schema import Config
from tabcli.errors import ConfigError, UsageError
from tabcli.selection.search import Trial, Tuning, changed, search
from tests.conftest import CONFIG

SPACE = {
    "train.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "train.batch_size": {"low": 16, "high": 128},
    "model.layers": {"choices": [[16, 8], [8]]},
}


def config_of(space: dict[str, Any] = SPACE, **more: Any) -> Config:
    return load({**CONFIG, "tune": {"space": space}, **more})


def bowl(config: Config, out: Path) -> float:
    """Least, 0, at a rate of 0.01, 64 rows and one layer."""
    train = config.train
    wide = 0.0 if config.model.layers == (8,) else 1.0
    return (math.log10(train.lr) + 2) ** 2 + ((train.batch_size - 64) / 64) ** 2 + wide


def tried(
    out: Path, n: int, config: Config | None = None, judge: Callable[[Config, Path], float] = bowl
) -> tuple[Tuning, list[Trial]]:
    told: list[Trial] = []
    return search(config or config_of(), out, "mark", trials=n, judge=judge, on_trial=told.append), told


def test_the_first_trial_is_the_config_as_it_is_and_all_others_lie_in_the_space(tmp_path: Path) -> None:
    made, told = tried(tmp_path, 12)
    assert told == made.trials
    assert made.trials[0].changes == {"train.lr": 0.01, "train.batch_size": 64, "model.layers": [16, 8]}
    for trial in made.trials:
        assert 1e-4 <= trial.changes["train.lr"] <= 1e-1
        assert isinstance(trial.changes["train.batch_size"], int)
        assert 16 <= trial.changes["train.batch_size"] <= 128
        assert trial.changes["model.layers"] in ([16, 8], [8])
        assert trial.score == pytest.approx(bowl(changed(config_of(), trial.changes), tmp_path))
    assert made.best == min(made.trials, key=lambda t: t.score)


def test_each_trial_has_a_folder_of_its_own_that_its_values_name(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def judge(config: Config, out: Path) -> float:
        seen.append((out.name, json.dumps(config.dump())))
        return bowl(config, out)

    tried(tmp_path, 6, judge=judge)
    names, values = zip(*seen, strict=True)
    assert len(set(names)) == len(set(values))


def test_the_config_that_is_written_is_that_of_the_best_trial_so_far(tmp_path: Path) -> None:
    best = math.inf

    def look(trial: Trial) -> None:
        nonlocal best
        if (tmp_path / "best.yaml").exists():  # before this trial's is written
            assert bowl(load(tmp_path / "best.yaml"), tmp_path) == pytest.approx(best)
        best = min(best, trial.score)

    made = search(config_of(), tmp_path, "mark", trials=8, judge=bowl, on_trial=look)
    written = load(made.path)
    assert bowl(written, tmp_path) == pytest.approx(best)
    assert written == changed(config_of(), made.best.changes)


def test_what_was_judged_before_an_interruption_is_not_judged_again(tmp_path: Path) -> None:
    n_judged = 0

    def dying(config: Config, out: Path) -> float:
        nonlocal n_judged
        n_judged += 1
        if n_judged == 4:
            raise KeyboardInterrupt
        return bowl(config, out)

    with pytest.raises(KeyboardInterrupt):
        tried(tmp_path, 6, judge=dying)
    made, told = tried(tmp_path, 6, judge=dying)
    assert n_judged == 7
    assert len(made.trials) == 6
    assert made.trials[3:] == told
    again, nothing = tried(tmp_path, 6, judge=dying)
    assert nothing == []
    assert again.best == made.best


@pytest.mark.parametrize(
    ("value", "first"), [({"train": {"lr": 0.5}}, False), ({"train": {"lr": 0.05, "batch_size": 16}}, True)]
)
def test_values_of_the_config_that_lie_outside_are_not_tried(
    tmp_path: Path, value: dict[str, Any], first: bool
) -> None:
    made, _ = tried(tmp_path, 1, config_of({"train.lr": SPACE["train.lr"]}, **value))
    assert (made.trials[0].changes["train.lr"] == value["train"]["lr"]) == first


def test_another_search_in_the_same_folder_and_a_space_of_nothing_are_refused(tmp_path: Path) -> None:
    tried(tmp_path, 1)
    with pytest.raises(UsageError, match="another config, data or version"):
        search(config_of(), tmp_path, "other", trials=1, judge=bowl, on_trial=lambda trial: None)
    with pytest.raises(ConfigError, match="nothing to search in"):
        tried(tmp_path / "new", 1, config_of({}))


def test_a_value_that_is_not_valid_in_its_place_is_named() -> None:
    with pytest.raises(ConfigError, match=r"train\.epochs"):
        changed(config_of(), {"train.epochs": 0})


def test_a_result_is_shown_in_a_few_lines(tmp_path: Path) -> None:
    shown = repr(tried(tmp_path, 3)[0])
    assert shown.startswith("Tuning\n")
    assert "RMSPE" in shown
    assert "trials  3" in shown
    assert len(shown.splitlines()) == 4
