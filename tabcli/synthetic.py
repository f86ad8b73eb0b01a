"""Placeholder until the real module lands."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class SynthResult:
    path: Path
    n_train: int
    n_test: int
    noise_floor: float


def synth(directory: Path, *, start: date, replace: bool = False, **options: object) -> SynthResult:
    raise NotImplementedError
