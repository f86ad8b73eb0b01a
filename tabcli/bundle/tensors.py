"""Arrays in files: checkpoints of networks, and what is made of shards while a training lasts. No pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from tabcli import files
from tabcli.artifacts.contents import Weights
from tabcli.errors import BundleError


def to_safetensors(tensors: Weights, metadata: dict[str, str] | None = None) -> bytes:
    """safetensors writes raw memory, so each array is copied to C order first."""
    return save({name: np.array(values, order="C") for name, values in tensors.items()}, metadata)


def save_tensors(path: Path, tensors: Weights, facts: Mapping[str, object]) -> None:
    """Writes tensors and facts as one checkpoint file; an older one stays until the new one is whole."""
    with files.atomic_file(path) as temporary:
        temporary.write_bytes(to_safetensors(tensors, {"facts": json.dumps(facts, allow_nan=False)}))


def load_tensors(path: Path) -> tuple[Weights, dict[str, Any]]:
    """The tensors and facts of `save_tensors`. Raises `BundleError`."""
    try:
        with safe_open(path, framework="numpy") as stream:
            facts = json.loads(stream.metadata()["facts"])
        return load_file(path), facts
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: this checkpoint cannot be read: {error}", hint="start anew with --force") from None
