"""Whether groups with a planted bias of 5 % are named, and none where there is none.

    python benchmarks/bias.py --out bias --seeds 20                   networks trained on generated sales, 20 seeds
    python benchmarks/bias.py --out bias --seeds 200 --drawn          drawn errors of past windows: no training

For each seed the past windows' forecasts are judged as they are, and again for every column with the forecasts of one
of its groups made 5 % higher, or lower; the group and the side are drawn by the seed. The result, `bias.json`, says how
many groups were named, by column: with nothing planted (it must be none), and of those planted (it must be all).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

import tabcli
from tabcli.bundle.directories import load_run
from tabcli.cards.bias import FEWEST_SERIES, Bias, bias_of
from tabcli.cards.segments import past_rows
from tabcli.features.frequency import Frequency

DAILY = Frequency(86400, "s")
PLANTED = 0.05
FAST = ["train.epochs=4", "train.members=1", "model.layers=[64, 32]", "train.threads=1"]


def drawn_past(
    seed: int, n_series: int = 160, windows: int = 4, horizon: int = 48
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of past windows with errors of rows, dates, windows and series, none of groups; and the series' groups.

    Errors of the logarithm: 10 % of each row, 3 % common to a date, 3 % to a window, 5 % to a series in a window, and
    1.5 % to a group on a date.
    """
    rng = np.random.default_rng(seed)
    groups = pd.DataFrame(
        {
            "kind": rng.choice(["a", "b", "c", "d"], n_series, p=[0.5, 0.08, 0.14, 0.28]),
            "size": rng.choice(["small", "middle", "large"], n_series),
            "region": rng.choice([f"r{i:02d}" for i in range(12)], n_series),
            "club": rng.choice(["no", "yes"], n_series),
        }
    )
    level = rng.normal(8, 0.6, n_series)
    parts = []
    for window in range(windows):
        days = pd.date_range("2020-06-01", periods=horizon) - pd.Timedelta(horizon * window, unit="D")
        shape = (n_series, horizon)
        error = rng.normal(0, 0.1, shape) + rng.normal(0, 0.03, horizon) + rng.normal(0, 0.03)
        error += rng.normal(0, 0.05, (n_series, 1))
        for column in groups:
            codes, names = pd.factorize(groups[column])
            error += rng.normal(0, 0.015, (len(names), horizon))[codes] / 2
        forecast = np.exp(level[:, None] + 0.2 * np.sin(np.arange(horizon) * 2 * np.pi / 7))
        parts.append(
            pd.DataFrame(
                {
                    "window": window,
                    "series": np.repeat(np.arange(n_series), horizon),
                    "date": np.tile(days.to_numpy(), n_series),
                    "ahead": np.tile(np.arange(1, horizon + 1), n_series),
                    "actual": (forecast * np.exp(error)).ravel(),
                    "forecast": forecast.ravel(),
                    "held": np.nan,
                }
            )
        )
    return pd.concat(parts, ignore_index=True), groups


def trained_past(seed: int, stores: int, work: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same of networks that were trained on generated sales of stores."""
    tabcli.synth(work / "data", stores=stores, days=700, seed=seed, replace=True)
    prep = tabcli.prep("configs/quickstart.yaml", work / "data", work / "prep")
    tabcli.train(prep, work / "run", overrides=[*FAST, f"seed={seed}"])
    run = load_run(work / "run")
    return past_rows(run), run.fitted.groups


def planted(past: pd.DataFrame, groups: pd.DataFrame, column: str, seed: int) -> tuple[pd.DataFrame, str, str]:
    """The rows with the forecasts of one group made 5 % higher or lower; the group, and the side."""
    rng = np.random.default_rng([seed, *column.encode()])
    counts = groups[column].value_counts()
    name = str(rng.choice(sorted(counts.index[counts >= FEWEST_SERIES])))
    factor = 1 + PLANTED if rng.random() < 0.5 else 1 / (1 + PLANTED)
    of_group = (groups[column] == name).to_numpy()[past["series"].to_numpy()]
    side = "too high" if factor > 1 else "too low"
    return past.assign(forecast=past["forecast"].where(~of_group, past["forecast"] * factor)), name, side


def judged(past: pd.DataFrame, groups: pd.DataFrame, seed: int) -> dict[str, object]:
    """What is named with nothing planted, and of what was planted."""
    plain = bias_of(past, groups, DAILY)
    found = {}
    for column in groups:
        changed, name, side = planted(past, groups, column, seed)
        bias = bias_of(changed, groups, DAILY)
        one = next(g for g in bias.groups if (g.column, g.name) == (column, name))
        others = [f"{g.column} = {g.name}: {g.side}" for g in bias.groups if g.side and g is not one]
        found[column] = {
            "group": name,
            "side": side,
            "named": one.side == side,
            "series": one.series,
            "bias": one.bias,
            "apart": one.apart,
            "within": one.apart_within,
            "others": others,
        }
    return {"groups": len(plain.groups), "nothing planted": texts_of(plain), "planted": found}


def texts_of(bias: Bias) -> list[str]:
    """The groups that are named, in words."""
    return [f"{g.column} = {g.name}: {g.side or 'worse'}" for g in bias.named]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--stores", type=int, default=120)
    parser.add_argument("--drawn", action="store_true")
    args = parser.parse_args()
    found = {}
    for seed in range(args.seeds):
        past, groups = drawn_past(seed) if args.drawn else trained_past(seed, args.stores, args.out / str(seed))
        found[str(seed)] = judged(past, groups, seed)
        print(seed, json.dumps(found[str(seed)]), flush=True)
    plants = [p for one in found.values() for p in one["planted"].values()]
    result = {
        "seeds": args.seeds,
        "groups looked at": sum(one["groups"] for one in found.values()),
        "named with nothing planted": sum(len(one["nothing planted"]) for one in found.values()),
        "planted": len(plants),
        "planted and named": sum(p["named"] for p in plants),
        "others named beside them": sum(len(p["others"]) for p in plants),
        "by seed": found,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    name = "bias-drawn.json" if args.drawn else "bias.json"
    (args.out / name).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print({k: v for k, v in result.items() if k != "by seed"})


if __name__ == "__main__":
    main()
