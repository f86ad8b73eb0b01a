"""A small dataset with names of its own, and what every test has: no network, no change of the global random state."""

import copy
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, settings

from tabcli.training import tasks

# No deadlines: on a busy machine any example may take long.
settings.register_profile("usual", deadline=None)
settings.register_profile("long", deadline=None, print_blob=True)
settings.load_profile("usual")


def examples(n: int) -> settings:
    """A law is tried on so many cases; with `pytest --hypothesis-profile=long` (`make laws`) on fifty times as many."""
    long = settings.get_current_profile_name() == "long"
    return settings(max_examples=50 * n if long else n, deadline=None, suppress_health_check=[HealthCheck.too_slow])


N_SHOPS, N_DAYS, HORIZON = 6, 220, 20
START = pd.Timestamp("2020-12-20")

CONFIG: dict[str, Any] = {
    "format_version": 1,
    "tables": {
        "train": {"file": "past.csv", "dtypes": {"holiday": "str"}},
        "future": {"file": "ahead.csv", "dtypes": {"holiday": "str"}},
        "shops": {"file": "shops.csv"},
    },
    "series": "shop",
    "date": "day",
    "id": "row",
    "target": {"column": "units", "drop_where": {"units": 0}},
    "forecast": {"fill": {"open": 1}, "zero_where": {"open": 0}, "floor": "off"},
    "availability": {"known_in_advance": ["open", "promo", "holiday"], "past_only": ["visitors"]},
    "joins": [{"table": "shops", "on": "shop"}],
    "features": {
        "date_parts": ["day"],
        "events": {
            "Promo": {"where": {"promo": 1}, "window": "7d", "cap": "30d"},
            "Closed": {"where": {"open": 0}, "window": "5d", "cap": "9d"},
        },
        "spans": {"MonthsOpen": {"since": {"year": "since_year", "month": "since_month"}, "unit": "months", "cap": 24}},
        "recurrences": {"Round": {"months": "rounds"}},
    },
    "categorical": ["shop", "dayDayofweek", "promo", "holiday", "kind", "MonthsOpen", "Round", "Promo_bw", "Closed_fw"],
    "continuous": ["size", "AfterPromo", "BeforePromo", "AfterClosed", "dayElapsed"],
    "baseline": ["shop", "dayDayofweek", "promo"],
    "validation": {"last": "future"},
    "model": {"layers": [16, 8]},
    "train": {"epochs": 3, "batch_size": 64, "lr": 0.01},
    "seed": 7,
}


@pytest.fixture
def config() -> dict[str, Any]:
    return copy.deepcopy(CONFIG)


def make_tables(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Past, future, shops: text holidays with "0", missing shop facts, Sundays closed, an open day missing ahead."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(START, periods=N_DAYS + HORIZON, unit="us")
    rows = pd.MultiIndex.from_product([range(1, N_SHOPS + 1), days], names=["shop", "day"]).to_frame(index=False)
    week = rows["day"].dt.day_of_week
    rows["open"] = (week != 6).astype("int64")
    rows["promo"] = ((rows["day"] - START).dt.days // 7 % 2 * (week < 5)).astype("int64")
    rows["holiday"] = np.where((rows["day"].dt.day == 1) & (rows["shop"] > 2), "a", "0")
    level = 50.0 * rows["shop"] * (1 + 0.1 * week) * (1 + 0.3 * rows["promo"])
    rows["units"] = np.round(level * np.exp(rng.normal(0, 0.05, len(rows)))).astype("int64") * rows["open"]
    rows["visitors"] = rows["units"] * 2
    ahead = rows["day"] >= days[N_DAYS]
    future = rows[ahead].drop(columns=["units", "visitors"]).sample(frac=1, random_state=1, ignore_index=True)
    future.insert(0, "row", np.arange(len(future)) + 1000)
    future["open"] = future["open"].astype("float64").where(future["row"] != 1005)
    future["holiday"] = "0"
    shops = pd.DataFrame(
        {
            "shop": range(1, N_SHOPS + 1),
            "kind": ["x", "y", None, "x", "y", "x"],
            "size": [10.0, np.nan, 30.0, 40.0, 50.0, 60.0],
            "since_year": [2019, 2020, None, 2021, 2021, 2000],
            "since_month": [5, 12, None, 2, 6, 1],
            "rounds": ["Jan,Apr", None, "Feb,Sept", "Mar", None, "1,7"],
        }
    )
    past = rows[~ahead].sort_values("day", ascending=False, kind="stable", ignore_index=True)
    return {"train": past, "future": future, "shops": shops}


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    return make_tables()


def write_folder(directory: Path, tables: dict[str, pd.DataFrame]) -> Path:
    """The tables as the CSV files that CONFIG names."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, spec in CONFIG["tables"].items():
        tables[name].to_csv(directory / spec["file"], index=False)
    return directory


@pytest.fixture
def folder(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> Path:
    """A directory with the tables as CSV."""
    return write_folder(tmp_path / "data", tables)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a test tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser without a window. Where there is none tests are skipped; with TABCLI_BROWSER=needed they fail."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    missing = "" if path else "no browser: apt-get install chromium"
    if importlib.util.find_spec("playwright") is None or importlib.util.find_spec("axe_playwright_python") is None:
        missing = "no playwright: make browser"
    if missing:
        (pytest.fail if os.environ.get("TABCLI_BROWSER") == "needed" else pytest.skip)(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a local S3 server. Where there is none tests are skipped; with TABCLI_S3=needed they fail."""
    server = shutil.which("moto_server", path=Path(__file__).parents[1] / ".venv-s3" / "bin")
    if server is None:
        (pytest.fail if os.environ.get("TABCLI_S3") == "needed" else pytest.skip)("no moto_server: make s3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    host, _, port = address.partition(":")
    with subprocess.Popen(
        [server, "-H", host, "-p", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        yield f"http://{address}"
        run.kill()


@pytest.fixture(scope="session", autouse=True)
def _one_process() -> Iterator[None]:
    """Networks are trained one after the other in this process, which gives the same bits without a start for each.

    Tests of the workers ask for `two_cores`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "n_cores", lambda: 1)
        yield


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several networks are trained side by side, in a process each."""
    monkeypatch.setattr(tasks, "n_cores", lambda: 2)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Two test workers on two cores: one thread each, and whatever a test sets is set back."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


def wait_until(reached: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
