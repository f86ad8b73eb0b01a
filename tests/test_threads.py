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
from tabcli.training.loop import fit
from tabcli.training.network import spec_of

n = 64
data = Dataset(torch.zeros((n, 0), dtype=torch.int32), torch.randn(n, 2), torch.randn(n), torch.zeros(n))
spec = spec_of(Model(layers=(4,), series_head=False), {}, (2, 0), (0.0, 1.0, 1.0))
fit(spec, Train(epochs=1, batch_size=16), data, data, score=lambda outputs: {"valid_rmspe": 1.0}, seed=0)
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in POLICIES}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**kept, **environment}
    )


def spin_counts(stderr: str) -> set[str]:
    return {line.split("'")[1] for line in stderr.splitlines() if "GOMP_SPINCOUNT" in line}


def test_torch_s_runtime_has_read_that_threads_sleep() -> None:
    alone = spin_counts(run("import torch", **SHOWN).stderr)
    if not alone:
        pytest.skip("torch has another OpenMP runtime than libgomp here")
    assert alone != {"0"}
    after = run(f"import tabcli\n{TRAIN}", **SHOWN)
    assert spin_counts(after.stderr) == {"0"}


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ({}, {"OMP_WAIT_POLICY": "passive"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
    ],
)
def test_what_the_environment_says_is_kept(said: dict[str, str], then: dict[str, str]) -> None:
    look = f"import os\nprint({{k: os.environ[k] for k in {POLICIES} if k in os.environ}})"
    assert run(f"import tabcli\n{look}", **said).stdout.strip() == repr(then)
