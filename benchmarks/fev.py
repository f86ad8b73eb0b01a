"""Runs the tasks rossmann_1D and rossmann_1W of fev-bench (arXiv 2509.26468), and prints them beside published rows.

    python benchmarks/fev.py --data data/rossmann --out fev
    python benchmarks/fev.py --data data/rossmann --out fev --task 1D --members 3 --windows 2015-04-26,2015-06-13

For each window: the tables as they were before it and a table of its rows without their sales (`fev_tasks`), then
`tabcli prep`, `tabcli train --refit` and `tabcli predict` as a person would type them, then scores (`fev_scores`).
Windows that end after the last day of train.csv are left out. Under --out each window has a folder, TASK/LAST-DAY, with
`forecasts.csv`, `truth.csv`, `scores.json` and the run; `scores.json` beside the tasks' folders has all. A window that
is done is not run again unless its config, the members or the tables changed, or --force is given.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fev_scores
import fev_tasks
import measure
import pandas as pd
from fev_tasks import Task, Window

from tabcli.config import loading
from tabcli.errors import TabcliError

ROOT = Path(__file__).parent.parent
CONFIGS = {"1D": ROOT / "configs" / "fev-1d.yaml", "1W": ROOT / "configs" / "fev-1w.yaml"}
BOUNDS = ("--quantiles", ",".join(map(str, fev_scores.LEVELS)), "--interval", "0.95")
"""What predict is asked for beside the forecast."""
HALF_DONE = ("data", "prep", "run", "settings.json")


@dataclass(frozen=True)
class Settings:
    """How the windows of a task are run. `overrides`: KEY.PATH=VALUE for `-S`, the number of members among them."""

    config: Path
    overrides: tuple[str, ...]
    jobs: int
    force: bool

    @property
    def sets(self) -> list[str]:
        """The overrides as arguments of tabcli; windows side by side have one thread each."""
        threads = ["train.threads=1"] if self.jobs > 1 else []  # one network of each window at a time
        return [part for each in (*self.overrides, *threads) for part in ("-S", each)]


def code_digest() -> str:
    """Tells two states of the package apart."""
    sources = sorted((ROOT / "tabcli").rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def resolved(settings: Settings) -> dict[str, Any]:
    """The config with its preset, overrides and defaults filled in. Raises `SystemExit` where it is wrong."""
    try:
        return loading.load(settings.config, settings.overrides).dump()
    except TabcliError as error:
        raise SystemExit(f"{error}{f' ({error.hint})' if error.hint else ''}") from None


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _write_json(value: Any, path: Path) -> None:
    """As a whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def forecast_window(folder: Path, settings: Settings) -> float:
    """prep, train and predict on the tables in `folder`/data → `folder`/forecasts.csv; seconds on the clock.

    A run that was interrupted with the same settings goes on.
    """
    data, prep, run, forecasts = (folder / name for name in ("data", "prep", "run", "forecasts.csv"))
    steps: list[list[str | Path]] = [
        ["prep", "--config", settings.config, "--data", data, "--out", prep, "--force", *settings.sets],
        ["train", "--prep", prep, "--out", run, "--refit", "--resume", *settings.sets],
        ["predict", run, "--data", data, "--out", forecasts, "--columns", "Store,Date", *BOUNDS],
    ]
    return sum(measure.tabcli(*step).seconds for step in steps)


def run_window(
    task: Task, window: Window, table: pd.DataFrame, store: Path, folder: Path, settings: Settings, wanted: str
) -> dict[str, Any]:
    """The window's scores, from an earlier run with the same settings (`wanted`, their digest) where there is one."""
    scores_path, settings_path = folder / "scores.json", folder / "settings.json"
    if scores_path.exists() and not settings.force:
        kept = dict(json.loads(scores_path.read_text(encoding="utf-8")))
        if kept["settings"] == wanted:
            return {**kept, "kept": True}
    if settings.force or not settings_path.exists() or json.loads(settings_path.read_text()) != wanted:
        for name in HALF_DONE:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    scores_path.unlink(missing_ok=True)
    _write_json(wanted, settings_path)
    fev_tasks.write_window(table, window, store, folder / "data")
    seconds = forecast_window(folder, settings)
    truth, past = fev_tasks.truth_of(table, window), fev_tasks.past_of(table, window)
    truth.to_csv(folder / "truth.csv", index=False)
    forecast = pd.read_csv(folder / "forecasts.csv")
    scores = fev_scores.window_scores(truth, forecast, past, task.step, task.seasonality)
    result = {
        "window": window.name,
        "first_row": f"{window.first_row:%Y-%m-%d}",
        "rows": len(truth),
        **scores,
        "seconds": round(seconds, 1),
        "settings": wanted,
        "code": code_digest(),
    }
    _write_json(result, scores_path)
    for name in ("data", "prep"):  # as large as the tables, and made again in seconds
        shutil.rmtree(folder / name, ignore_errors=True)
    print(f"{task.name} {window.name}: MASE {scores['MASE']:.4f}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return {**result, "kept": False}


def side_by_side(
    scored: Callable[[Window], dict[str, Any]], windows: Sequence[Window], jobs: int
) -> list[dict[str, Any]]:
    """`scored` of each window, `jobs` at a time, in their order. Where one fails, those that wait do not begin."""
    if jobs == 1:
        return [scored(window) for window in windows]
    with ThreadPoolExecutor(jobs) as pool:
        made = [pool.submit(scored, window) for window in windows]
        try:
            return [future.result() for future in made]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run_task(
    key: str, days: pd.DataFrame, data: Path, out: Path, settings: Settings, names: list[str]
) -> dict[str, Any]:
    """All chosen windows of a task, `settings.jobs` at a time."""
    task, config = fev_tasks.TASKS[key], resolved(settings)
    table = fev_tasks.table_of(task, days)
    windows = fev_tasks.chosen(fev_tasks.windows_within(task, days["Date"]), names)
    if not windows:
        first, last = f"{days['Date'].min():%Y-%m-%d}", f"{days['Date'].max():%Y-%m-%d}"
        raise SystemExit(f"{task.name}: train.csv has days from {first} to {last}; no window lies within them")
    store = data / "store.csv"
    asked = json.dumps([config, BOUNDS], sort_keys=True)
    wanted = _digest(asked.encode(), (data / "train.csv").read_bytes(), store.read_bytes())

    def scored(window: Window) -> dict[str, Any]:
        return run_window(task, window, table, store, out / key / window.name, settings, wanted)

    results = side_by_side(scored, windows, settings.jobs)
    return {
        "task": task.name,
        "members": config["train"]["members"],
        "published_windows": task.n_windows,
        "mean": fev_scores.means(results),
        "seconds": round(sum(w["seconds"] for w in results), 1),
        "windows": results,
    }


def _row(name: str, scores: Mapping[str, Any], seconds: float | None, rows: str = "") -> str:
    cells = ["–" if scores.get(m) is None else f"{scores[m]:.4f}" for m in fev_scores.METRICS]
    last = "–" if seconds is None else f"{seconds:,.0f}"
    return f"{name:<28}{rows:>8}" + "".join(f"{cell:>10}" for cell in cells) + f"{last:>10}"


def table_text(key: str, result: Mapping[str, Any]) -> str:
    """The windows of a task, their mean, and the published means."""
    windows, code = result["windows"], code_digest()
    title = f"{result['task']}: {len(windows)} of the {result['published_windows']} published windows"
    header = "".join(f"{m:>10}" for m in fev_scores.METRICS)
    lines = [
        f"{title}, networks in each: {result['members']}",
        f"{'window':<28}{'rows':>8}{header}{'seconds':>10}",
        *(
            _row(f"{w['first_row']} … {w['window']}" + "*" * (w["code"] != code), w, w["seconds"], f"{w['rows']:,}")
            for w in windows
        ),
        _row("mean (seconds: sum)", result["mean"], result["seconds"]),
        f"published, mean of {result['published_windows']} windows",
        *(_row(name, fev_scores.with_ratio(scores), seconds) for name, scores, seconds in fev_scores.PUBLISHED[key]),
    ]
    if any(w["code"] != code for w in windows):
        lines.append("* kept from a run of another state of tabcli's code; --force runs it again")
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line. Raises `SystemExit` where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the competition's train.csv, store.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the windows; goes on where it stopped")
    parser.add_argument("--task", choices=["1D", "1W", "both"], default="both")
    parser.add_argument("--members", type=int, metavar="N", help="networks in each window; by default the config's")
    parser.add_argument("--windows", default="", metavar="DAY,…", help="last days of the windows; by default all")
    parser.add_argument("--config", type=Path, help="in place of configs/fev-1d.yaml or fev-1w.yaml; with one --task")
    parser.add_argument(
        "-S", "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="override a key; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="windows side by side, one thread each")
    parser.add_argument("--force", action="store_true", help="run windows again that are done")
    options = parser.parse_args(arguments)
    if options.config and options.task == "both":
        parser.error("--config: give --task 1D or --task 1W too")
    if options.windows and options.task == "both":
        parser.error("--windows: give --task 1D or --task 1W too")
    if options.jobs < 1 or (options.members or 1) < 1:
        parser.error("--jobs and --members: expected a number from 1 on")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    started = time.perf_counter()
    if options.jobs > 1:
        os.environ |= {"OMP_NUM_THREADS": "1"}
    days = fev_tasks.read_days(options.data / "train.csv")
    overrides = [*options.set, *([f"train.members={options.members}"] if options.members else [])]
    results = {}
    for key in fev_tasks.TASKS if options.task == "both" else [options.task]:
        settings = Settings(options.config or CONFIGS[key], tuple(overrides), options.jobs, options.force)
        names = [name.strip() for name in options.windows.split(",") if name.strip()]
        results[key] = run_task(key, days, options.data, options.out, settings, names)
        print(table_text(key, results[key]) + "\n")
    _write_json(results, options.out / "scores.json")
    print(f"{time.perf_counter() - started:,.0f} s; forecasts and scores are in {options.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
