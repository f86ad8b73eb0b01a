"""Rolling-origin folds: what each may see, the same rows for everyone, going on where it stopped; and the search."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_pinball_loss
from typer.testing import CliRunner

import tabcli
from tabcli.api import backtest as backtest_verb
from tabcli.cli.app import app
from tabcli.config.loading import load
from tabcli.errors import ConfigError, UsageError
from tabcli.evaluation.metrics import rmspe
from tabcli.evaluation.naive import group_medians, group_quantiles
from tabcli.pipeline.joined import SourceTables
from tabcli.selection.peers import PEERS
from tabcli.selection.trees import N_TREES
from tests.conftest import HORIZON, N_DAYS, START, make_tables, write_folder

FAST = ["train.epochs=2", "train.batch_size=32", "calibration.windows=0"]
LAST = START + pd.Timedelta(N_DAYS - 1, unit="D")
HISTORY = {"windows": ["28d", "14d", "7d"], "base": "14d", "effects": ["promo"], "season": "21d"}


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    for peer in ("histgb", "lightgbm"):
        monkeypatch.setitem(N_TREES, peer, 20)


def forecasts(folder: Path) -> dict[str, pd.DataFrame]:
    return {p.parent.name: pd.read_parquet(p) for p in sorted(folder.glob("fold-*/forecasts.parquet"))}


def test_everyone_is_judged_on_the_same_rows(config: dict[str, Any], tmp_path: Path) -> None:
    config["history"] = HISTORY
    result = tabcli.backtest(
        config, make_tables(), tmp_path, folds=1, peers=PEERS, overrides=[*FAST, "train.members=2"]
    )
    assert result.folds == [str(LAST.date())]
    names = ["network, single", "network, mean of 2", *PEERS]
    assert result.scores["forecast"].tolist() == names
    tables, scores = forecasts(tmp_path), result.scores.set_index(["fold", "forecast"])["rmspe"]
    for end in result.folds:
        table = tables[f"fold-{end}"]
        assert table["day"].max() == pd.Timestamp(end)
        assert table["day"].min() > pd.Timestamp(end) - pd.Timedelta(HORIZON, unit="D")
        assert not table.isna().any(axis=None)
        for forecast in ("network", *PEERS):
            reported = scores[end, "network, mean of 2" if forecast == "network" else forecast]
            assert reported == pytest.approx(rmspe(table["actual"].to_numpy(), table[forecast].to_numpy()), rel=1e-12)
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert [row["rmspe"] for row in saved] == result.scores["rmspe"].tolist()


def test_quantiles_are_scored_beside_points_for_the_networks_and_the_peers_that_have_some(
    config: dict[str, Any], tmp_path: Path
) -> None:
    """Each score is that of `evaluate` on the fold's own forecasts; the points are those of a backtest without."""
    options: dict[str, Any] = {"folds": 1, "peers": PEERS, "overrides": [*FAST, "train.members=2"]}
    plain = tabcli.backtest(config, make_tables(), tmp_path / "plain", **options)
    asked = {"quantiles": [0.9, 0.1, 0.5], "intervals": [0.8]}
    result = tabcli.backtest(config, make_tables(), tmp_path / "sure", **options, **asked)
    [table], [points] = (list(forecasts(tmp_path / name).values()) for name in ("sure", "plain"))
    pd.testing.assert_frame_equal(table[points.columns], points)
    names = ["network, single", "network, mean of 2", *PEERS]
    assert result.scores["forecast"].tolist() == names
    scores = result.scores.set_index("forecast")
    for name, column in (("network, mean of 2", "network"), ("median", "median"), ("lightgbm", "lightgbm")):
        made = table.rename(columns={c: c.replace(column, "units") for c in table.columns if c.startswith(column)})
        bounds = ["units_q10", "units_q50", "units_q90", "units_lo80", "units_hi80"]
        assert (np.diff(made[["units_q10", "units_q50", "units_q90"]], axis=1) >= 0).all()
        keys = ["shop", "day"]
        judged = tabcli.evaluate(
            made[[*keys, "units", *bounds]], table.rename(columns={"actual": "units"})[[*keys, "units"]]
        )
        assert judged.quantiles is not None
        held = judged.quantiles.intervals.set_index("promised").loc[0.8]
        expected = {"wql": judged.metrics["wql"], "held_80": held["held"], "width_80": held["width_share"]}
        expected |= {
            f"pinball_{row['column'][6:]}": row["pinball"] for row in judged.quantiles.levels.to_dict("records")
        }
        assert scores.loc[name, list(expected)].to_dict() == pytest.approx(expected), name
    assert scores.loc["network, mean of 2", "sql"] > 0
    assert np.isfinite(scores.loc["network, single", "wql"])
    assert scores.loc[["seasonal_naive", "histgb"], "wql"].isna().all()
    summary = result.summary()
    assert summary.loc["median", "held_80_unsure"] == scores.loc["median", "held_80_unsure"]
    assert {"wql", "sql", "width_80"} <= {*summary.columns}
    assert not {"wql", "sql"} & {*plain.summary().columns}


def test_scores_of_all_folds_by_a_column_against_those_of_the_rows_alone(
    config: dict[str, Any], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"folds": 2, "peers": ["median", "seasonal_naive"], "overrides": FAST}
    result = tabcli.backtest(config, make_tables(), tmp_path, intervals=[0.8], **options)
    rows = pd.concat(forecasts(tmp_path).values(), ignore_index=True)
    by_step, by_shop = result.by("step"), result.by("shop")
    assert set(rows["step"]) <= set(range(1, HORIZON + 1))
    assert rows.groupby("step")["day"].nunique().max() == 2, "a day of each fold"
    for table, column in ((by_step, "step"), (by_shop, "shop"), (result.by("promo"), "promo")):
        assert table["forecast"].drop_duplicates().tolist() == ["network", "median", "seasonal_naive"]
        for record in table.to_dict("records"):
            of, name = rows[rows[column] == record[column]], record["forecast"]
            assert record["rows"] == len(of)
            assert record["wape"] == pytest.approx((of[name] - of["actual"]).abs().sum() / of["actual"].sum())
            if name == "seasonal_naive":
                assert np.isnan(record["wql"])
                continue
            low, high = of[f"{name}_lo80"], of[f"{name}_hi80"]
            assert record["held_80"] == pytest.approx(of["actual"].between(low, high).mean())
            losses = [2 * mean_pinball_loss(of["actual"], b, alpha=q) for b, q in ((low, 0.1), (high, 0.9))]
            assert record["wql"] == pytest.approx(np.mean(losses) / of["actual"].mean())
            assert record["mase"] == pytest.approx(((of[name] - of["actual"]).abs() / of["scale"]).mean())
    with pytest.raises(UsageError, match="--by kind: expected one of shop, day, promo, step"):
        result.by("kind")


def test_the_command_takes_levels_and_a_column(config: dict[str, Any], tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", make_tables())
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    words = [
        "backtest",
        "--config",
        tmp_path / "config.yaml",
        "--data",
        data,
        "--out",
        tmp_path / "out",
        "--folds",
        "1",
    ]
    words += ["--peers", "median", "--quantiles", "0.1,0.9", "--interval", "0.5", "--by", "step"]
    words += [part for each in FAST for part in ("-S", each)]
    runner = CliRunner()
    done = runner.invoke(app, [str(w) for w in [*words, "--json"]], prog_name="tabcli")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert {row["forecast"] for row in made["summary"]} == {"network", "median"}
    assert made["summary"][0].keys() >= {"wql", "sql", "held_80_unsure", "held_50_unsure", "width_50"}
    assert [row["step"] for row in made["by"] if row["forecast"] == "median"] == sorted({r["step"] for r in made["by"]})
    text = runner.invoke(app, [str(w) for w in words], prog_name="tabcli").stdout  # the fold is done
    network = next(row for row in made["summary"] if row["forecast"] == "network")
    shown = next(line for line in text.splitlines() if line.split()[:1] == ["network"])
    assert f"{100 * network['held_50_unsure']:.2f} %" in shown
    assert f"{100 * network['wql']:.2f} %" in shown
    assert "pinball_q10" not in text
    wrong = [*map(str, words[:-1]), "--by", "price"]
    assert runner.invoke(app, wrong, prog_name="tabcli").exit_code == 2


def test_group_quantiles_are_those_of_the_groups_of_the_median() -> None:
    rng = np.random.default_rng(0)
    train = pd.DataFrame({"a": rng.integers(0, 3, 200), "b": rng.integers(0, 2, 200)})
    target, levels = rng.normal(size=200), [0.1, 0.5, 0.75]
    rows = pd.DataFrame({"a": [0, 2, 1, 9], "b": [1, 0, 7, 0]})
    made = group_quantiles(train, target, rows, ["a", "b"], levels)
    a, b = train["a"].to_numpy(), train["b"].to_numpy()
    groups = [(a == 0) & (b == 1), (a == 2) & (b == 0), a == 1, a >= 0]
    np.testing.assert_allclose(made, [np.quantile(target[group], levels) for group in groups])
    np.testing.assert_allclose(made[:, 1], group_medians(train, target, rows, ["a", "b"]))


@pytest.mark.parametrize("kind", ["none", "side", "base"])
def test_a_fold_sees_nothing_of_its_scored_days_nor_of_later_ones(
    config: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    """Targets from the fold's first scored day on are multiplied by five: all forecasts of the fold stay the same."""
    config["history"] = HISTORY
    end = LAST - pd.Timedelta(HORIZON, unit="D")
    tables = make_tables()
    other = tables["train"].copy()
    late = other["day"] > end - pd.Timedelta(HORIZON, unit="D")
    other.loc[late, ["units", "visitors"]] *= 5
    made = []
    for name, train in (("a", tables["train"]), ("b", other)):
        tabcli.backtest(
            config,
            {**tables, "train": train},
            tmp_path / name,
            folds=0,
            ends=[str(end.date())],
            peers=PEERS,
            overrides=[*FAST, f"model.history={kind}"],
        )
        made.append(forecasts(tmp_path / name)[f"fold-{end.date()}"])
    assert (made[0]["actual"] * 5 == made[1]["actual"]).all()
    pd.testing.assert_frame_equal(made[0].drop(columns="actual"), made[1].drop(columns="actual"))


def test_the_gap_keeps_the_days_before_from_being_learned(config: dict[str, Any], tmp_path: Path) -> None:
    tables = make_tables()
    other = tables["train"].copy()
    start = LAST - pd.Timedelta(HORIZON, unit="D")
    in_gap = other["day"].between(start - pd.Timedelta(4, unit="D"), start)
    other.loc[in_gap, ["units", "visitors"]] *= 5
    made = []
    for name, train in (("a", tables["train"]), ("b", other)):
        data = {**tables, "train": train}
        tabcli.backtest(config, data, tmp_path / name, folds=1, gap="5d", peers=["median"], overrides=FAST)
        made.append(next(iter(forecasts(tmp_path / name).values())))
    pd.testing.assert_frame_equal(made[0], made[1])


def test_finished_folds_are_not_trained_again(config: dict[str, Any], tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    options: dict[str, Any] = {"folds": 1, "peers": ["median"], "overrides": FAST}
    first = tabcli.backtest(config, folder, tmp_path / "out", **options)
    manifest = next((tmp_path / "out").glob("fold-*/manifest.json"))
    before = manifest.stat().st_mtime_ns
    again = tabcli.backtest(config, folder, tmp_path / "out", **(options | {"folds": 2}))
    assert manifest.stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(again.scores.iloc[:2], first.scores)
    assert again.folds == [str((LAST - pd.Timedelta(n * HORIZON, unit="D")).date()) for n in (0, 1)]
    for end, table in zip(again.folds, reversed(forecasts(tmp_path / "out").values()), strict=True):
        assert table["day"].max() == pd.Timestamp(end)
        assert table["day"].min() > pd.Timestamp(end) - pd.Timedelta(HORIZON, unit="D")
    with pytest.raises(UsageError, match="another config"):
        tabcli.backtest(config, folder, tmp_path / "out", **(options | {"overrides": [*FAST, "seed=1"]}))


def test_an_interrupted_fold_of_another_config_is_not_gone_on_with(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"folds": 1, "peers": ["median"]}

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tabcli.selection.folds.peer_forecast", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tabcli.backtest(config, make_tables(), tmp_path / "a", overrides=[*FAST, "seed=1"], **options)
    assert list((tmp_path / "a").glob("*.partial/member-0.done.safetensors"))
    made = [
        tabcli.backtest(config, make_tables(), tmp_path / name, overrides=[*FAST, "seed=2"], **options).scores["rmspe"]
        for name in ("a", "b")
    ]
    assert made[0].tolist() == made[1].tolist()


def test_wrong_questions_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="xgb"):
        tabcli.backtest(config, make_tables(), tmp_path, peers=["xgb"])
    with pytest.raises(UsageError, match="at least one fold"):
        tabcli.backtest(config, make_tables(), tmp_path, folds=0)
    with pytest.raises(UsageError, match="2020-13-01"):
        tabcli.backtest(config, make_tables(), tmp_path, folds=0, ends=["2020-13-01"], overrides=FAST)


def test_group_medians_fall_back_to_fewer_columns() -> None:
    train = pd.DataFrame({"shop": [1, 1, 1, 2], "promo": [0, 0, 1, 0]})
    rows = pd.DataFrame({"shop": [1, 1, 2, 3], "promo": [0, 1, 1, 0]})
    found = group_medians(train, np.array([1.0, 3.0, 10.0, 7.0]), rows, ["shop", "promo"])
    np.testing.assert_array_equal(found, [2.0, 10.0, 7.0, 5.0])


# ------------------------------------------------------------------------------------------------ tune


SPACE = {"train.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "model.layers": {"choices": [[16, 8], [8]]}}


def test_a_search_goes_on_where_it_stopped_and_gives_a_config(config: dict[str, Any], tmp_path: Path) -> None:
    config["tune"] = {"space": SPACE}
    tables = make_tables()
    first = tabcli.tune(config, tables, tmp_path, trials=2, folds=1, overrides=[*FAST, "model.layers=[8]"])
    own = load(config).train.lr
    assert first.trials[0].changes == {"train.lr": own, "model.layers": [8]}, "the config's own values come first"
    seen = []
    again = tabcli.tune(
        config, tables, tmp_path, trials=4, folds=1, overrides=[*FAST, "model.layers=[8]"], on_trial=seen.append
    )
    assert [t.number for t in again.trials] == [0, 1, 2, 3]
    assert again.trials[:2] == first.trials
    assert seen == again.trials[2:]
    assert len({json.dumps(t.changes) for t in again.trials}) == 4
    best = min(again.trials, key=lambda t: t.score)
    assert again.best == best
    written = load(again.path)
    assert written.train.lr == best.changes["train.lr"]
    assert written.train.keep == "best", "only the judging keeps the last epoch"
    assert list(written.model.layers) == best.changes["model.layers"]
    with pytest.raises(UsageError, match="another config"):
        tabcli.tune(config, tables, tmp_path, trials=4, folds=1, overrides=FAST)


def test_a_search_may_try_other_histories(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history by a column that only the trial reads: the table was that of the config, which had no such column."""
    config["history"] = {"windows": ["28d", "7d"], "base": "7d", "effects": [], "use": ["levels"]}
    config["tune"] = {"space": {"history.effects": {"choices": [["dayMonth"]]}}}
    options, judged = [*FAST, "calibration.windows=0", "model.layers=[8]"], []
    run_folds = backtest_verb.run_folds

    def watched(source: SourceTables, *args: Any, **options: Any) -> Any:
        judged.append(source.config.history)
        return run_folds(source, *args, **options)

    monkeypatch.setattr(backtest_verb, "run_folds", watched)
    made = tabcli.tune(config, make_tables(), tmp_path, trials=1, folds=1, overrides=options)
    assert made.best.changes == {"history.effects": ["dayMonth"]}
    assert [list(history.effects) for history in judged if history is not None] == [["dayMonth"]]
    written = load(made.path).history
    assert written is not None
    assert list(written.effects) == ["dayMonth"]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"features.events": {"choices": [1]}}, "cannot be tuned"),
        ({"train.lr": {"low": 1.0, "high": 0.1}}, "low < high"),
        ({}, "nothing to search in"),
    ],
)
def test_a_space_that_cannot_be_searched(
    config: dict[str, Any], tmp_path: Path, space: dict[str, Any], message: str
) -> None:
    config["tune"] = {"space": space}
    with pytest.raises(ConfigError, match=message):
        tabcli.tune(config, make_tables(), tmp_path, trials=1, folds=1, overrides=FAST)
