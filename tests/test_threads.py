"""Threads that wait for each other sleep, whoever loads torch first."""

import os
import subprocess
import sys

import pytest

from tabcli.threads import POLICIES

SHOWN = {"OMP_DISPLAY_ENV": "verbose"}
"""With it libgomp shows on standard error what it has read, once it is loaded."""

TRAIN = """
import torch
from tabcli.config.learning import Model, Train
from tabcli.training.dataset import Dataset
from tabcli.training.loop import Callbacks, fit
from tabcli.training.network import spec_of

n = 64
data = Dataset(torch.zeros((n, 0), dtype=torch.int32), torch.randn(n, 2), torch.randn(n), torch.zeros(n))
spec = spec_of(Model(layers=(4,), series_head=False), {}, (2, 0), (0.0, 1.0, 1.0))
seen = []
told = Callbacks(on_epoch=lambda record: seen.append(torch.get_num_threads()))
settings = Train(epochs=1, batch_size=16, **THREADS)
torch.set_num_threads(3)
fit(spec, settings, data, data, score=lambda outputs: {"valid_rmspe": 1.0}, seed=0, callbacks=told)
print(seen[0])
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in POLICIES}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**kept, **environment}
    )


def spin_counts(stderr: str) -> set[str]:
    return {line.split("'")[1] for line in stderr.splitlines() if "GOMP_SPINCOUNT" in line}


def test_torch_s_runtime_has_read_that_threads_sleep() -> None:
    if not spin_counts(run("import torch", **SHOWN).stderr):
        pytest.skip("torch has another OpenMP runtime than libgomp here")
    assert spin_counts(run("import torch", **SHOWN).stderr) != {"0"}
    assert spin_counts(run("import tabcli, torch", **SHOWN).stderr) == {"0"}
    assert spin_counts(run("import tabcli.training.loop", **SHOWN).stderr) == {"0"}
    command = "from tabcli.cli.app import app\nimport tabcli.api.train"
    assert spin_counts(run(command, **SHOWN).stderr) == {"0"}


@pytest.mark.parametrize("said", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}])
def test_what_the_environment_says_is_kept(said: dict[str, str]) -> None:
    code = "import os, tabcli\nprint({k: os.environ[k] for k in %r if k in os.environ})" % (POLICIES,)
    assert run(code, **said).stdout.strip() == repr(said)


@pytest.mark.parametrize(
    ("before", "settings", "said", "n"),
    [
        ("import tabcli", {}, {}, 3),  # as many as torch was told
        ("import torch, tabcli", {}, {}, 1),  # it spins, and two that spin may be slower than one
        ("import torch, tabcli", {}, {"OMP_WAIT_POLICY": "passive"}, 3),
        ("import torch, tabcli", {"threads": 2}, {}, 2),
    ],
)
def test_one_thread_trains_a_network_where_torch_came_first_and_spins(
    before: str, settings: dict[str, int], said: dict[str, str], n: int
) -> None:
    assert run(f"{before}\nTHREADS = {settings}\n{TRAIN}", **said).stdout.strip() == str(n)
