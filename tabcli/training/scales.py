"""What networks scale their inputs and outputs by, of the rows of one part of all series or of several parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tabcli.arrays import AnyArray, Float32Array


@dataclass(frozen=True)
class Moments:
    """Of n values, (n,) or (n, k): mean and standard deviation, a number or (k,)."""

    n: int
    mean: AnyArray
    std: AnyArray

    @classmethod
    def of(cls, values: Float32Array, dtype: str | None = None) -> "Moments":
        """`dtype`: in which sums are made."""
        if not len(values):
            return cls(0, np.zeros(values.shape[1:]), np.zeros(values.shape[1:]))
        return cls(len(values), values.mean(axis=0, dtype=dtype), values.std(axis=0, dtype=dtype))

    @classmethod
    def merged(cls, parts: "Sequence[Moments]") -> "Moments":
        """Those of the values of all parts together; of one part its own."""
        there = [p for p in parts if p.n]
        if len(there) < 2:
            return there[0] if there else parts[0]
        n = sum(p.n for p in there)
        mean = sum(p.n * p.mean.astype("float64") for p in there) / n
        square = sum(p.n * (p.std.astype("float64") ** 2 + (p.mean - mean) ** 2) for p in there) / n
        return cls(n, np.asarray(mean), np.sqrt(square))

    def scale(self) -> tuple[Float32Array, Float32Array]:
        """Mean and standard deviation to normalise columns with, float32 (k,) each; 1 for a column of one value."""
        return self.mean.astype("float32"), np.where(self.std > 1e-6, self.std, 1.0).astype("float32")


@dataclass(frozen=True)
class Scales:
    """Of rows that a network is shown, `n_rows`: what is learned of those whose target is known, and the largest;
    `columns`: of the history's columns at one draw, of rows that have them; None without a history.
    """

    n_rows: int
    y: Moments
    most: float
    columns: Moments | None

    @classmethod
    def of(cls, n_rows: int, y: Float32Array, columns: Float32Array | None) -> "Scales":
        """`y`: what is learned, (n_exact,). `columns`: of the history, (n_rows, k)."""
        known = None if columns is None else columns[~np.isnan(columns).any(axis=1)]
        moments = None if known is None else Moments.of(known, "float64")
        return cls(n_rows, Moments.of(y), float(y.max(initial=-np.inf)), moments)

    @classmethod
    def merged(cls, parts: "Sequence[Scales]") -> "Scales":
        """Those of the rows of all parts together; of one part its own."""
        columns = [p.columns for p in parts if p.columns is not None]
        return cls(
            sum(p.n_rows for p in parts),
            Moments.merged([p.y for p in parts]),
            max(p.most for p in parts),
            Moments.merged(columns) if columns else None,
        )

    @property
    def learned(self) -> tuple[float, float, float]:
        """Mean, standard deviation and maximum of what is learned."""
        return float(self.y.mean), float(self.y.std) or 1.0, self.most

    def to_arrays(self) -> dict[str, AnyArray]:
        arrays = {"n_rows": np.array(self.n_rows), "most": np.array(self.most)}
        for name, moments in (("y", self.y), ("columns", self.columns)):
            if moments is not None:
                arrays |= {f"{name}.n": np.array(moments.n), f"{name}.mean": np.asarray(moments.mean)}
                arrays |= {f"{name}.std": np.asarray(moments.std)}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Scales":
        def moments(name: str) -> Moments:
            return Moments(int(arrays[f"{name}.n"]), arrays[f"{name}.mean"], arrays[f"{name}.std"])

        columns = moments("columns") if "columns.n" in arrays else None
        return cls(int(arrays["n_rows"]), moments("y"), float(arrays["most"]), columns)
