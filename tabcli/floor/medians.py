"""Medians of what rows have in common: the series, the weekday, a promotion."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, FloatArray, IntArray
from tabcli.floor.known import Known, Places


@dataclass(frozen=True)
class Medians:
    """Medians by series and groups, then by ever fewer groups, last by the series alone.

    `keys[k]`: of level k, sorted int64; `values[k]`: the median of each key, float64. `columns`: which columns of
    `Places.groups` are used. `sizes`: how many codes the series and each of these columns may have. `overall`: the
    median of all known rows. See `evaluation.naive.group_medians` for the same on raw tables.
    """

    columns: tuple[int, ...]
    sizes: tuple[int, ...]
    keys: tuple[IntArray, ...]
    values: tuple[FloatArray, ...]
    overall: float

    def to_arrays(self) -> dict[str, AnyArray]:
        levels = {f"keys.{i}": k for i, k in enumerate(self.keys)} | {
            f"values.{i}": v for i, v in enumerate(self.values)
        }
        return {
            "columns": np.array(self.columns, dtype="int64"),
            "sizes": np.array(self.sizes, dtype="int64"),
            "overall": np.array([self.overall]),
            **levels,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Medians":
        """What `to_arrays` gave. Raises `KeyError` where an array is missing."""
        sizes = tuple(arrays["sizes"].tolist())
        keys, values = (tuple(arrays[f"{name}.{i}"] for i in range(len(sizes))) for name in ("keys", "values"))
        return cls(tuple(arrays["columns"].tolist()), sizes, keys, values, float(arrays["overall"][0]))

    def forecast(self, places: Places) -> FloatArray:
        """The median of the known rows that share a row's series and groups, on the learned scale, float64 (n,).

        Where no known row does, the last group is left out, and so on; at last the median of all known rows, NaN where
        there are none.
        """
        forecast = np.full(len(places), np.nan)
        for n, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            wanted = _keys(places, self.columns, self.sizes[: len(self.sizes) - n])
            if not len(keys):  # of a shard without series
                continue
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            hit = np.isnan(forecast) & (keys[place] == wanted)
            forecast[hit] = values[place[hit]]
        return np.where(np.isnan(forecast), self.overall, forecast)


def medians(known: Known, columns: tuple[int, ...]) -> Medians:
    """The medians of the known rows' y by series and the groups in these columns of `places.groups`."""
    groups = known.places.groups[:, list(columns)]
    sizes = (known.n_series + 1, *(groups.max(axis=0, initial=-1) + 2).tolist())
    keys: list[IntArray] = []
    values: list[FloatArray] = []
    for n in range(len(sizes), 0, -1):
        found = pd.Series(known.y).groupby(_keys(known.places, columns, sizes[:n])).median()
        keys.append(found.index.to_numpy(dtype="int64"))
        values.append(np.asarray(found, dtype="float64"))
    return Medians(columns, sizes, tuple(keys), tuple(values), float(np.median(known.y)) if len(known.y) else np.nan)


def _keys(places: Places, columns: tuple[int, ...], sizes: tuple[int, ...]) -> IntArray:
    """One number for each row's series and first groups, int64 (n,), −1 for a code that is too large."""
    key, fits = np.zeros(len(places), dtype="int64"), np.ones(len(places), dtype=bool)
    codes = [places.series, *(places.groups[:, c] for c in columns)][: len(sizes)]
    for known, size in zip(codes, sizes, strict=True):
        code = known + 1
        fits &= (code >= 0) & (code < size)
        key = key * size + code
    return np.where(fits, key, -1)
