"""The scale on which the target is learned: log, log1p, identity or Box–Cox, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tabcli.arrays import FloatArray, IntArray
from tabcli.config.values import Transform
from tabcli.errors import DataError
from tabcli.preprocessing.counts import Counted
from tabcli.preprocessing.summaries import Part, Spread, Summary

HIGHEST = 10.0
"""A Box–Cox forecast is at most so many times the largest training target: the inverse may grow without bound."""


def golden_section(cost: Callable[[float], float], low: float, high: float, n: int = 40) -> float:
    """The place of the one minimum of a function between low and high, within (high − low) · 0.618ⁿ."""
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = cost(left), cost(right)
    for _ in range(n):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = cost(right)
    return (low + high) / 2


def boxcox_power(target: FloatArray, counts: IntArray | None = None) -> float:
    """The λ in −2 … 2 with which (t^λ − 1) / λ of positive targets (n,) is most like normal, by its likelihood.

    `counts`: how often each target occurs, int64 (n,), if not once.
    """
    logs = np.log(target)
    share = np.full(len(logs), 1 / len(logs)) if counts is None else counts / counts.sum()
    mean = float(share @ logs)

    def spread(y: FloatArray) -> float:
        return float(np.sqrt(share @ (y - share @ y) ** 2))

    def cost(power: float) -> float:
        return float(np.log(spread(_boxcox(logs, power)) + 1e-300) - (power - 1) * mean)

    return golden_section(cost, -2.0, 2.0) if logs.min() < logs.max() else 1.0


SAMPLED = 1 << 20
"""The power of Box–Cox is found on at most so many different targets."""


def _sampled(target: Counted) -> tuple[FloatArray, IntArray]:
    """Different targets, sorted, and how often each occurs: all, or as many as `SAMPLED` holds, chosen by their bits.

    The choice depends neither on how the rows are cut nor on their order.
    """
    bits, values, counts = 0, np.empty(0), np.empty(0, dtype="int64")
    for part in target.parts:
        new, n = part.numbers()
        chosen = _drawn(new) & np.uint64((1 << bits) - 1) == 0
        both, codes = np.unique(np.concatenate([values, new[chosen]]), return_inverse=True)
        counts = np.bincount(codes, np.concatenate([counts, n[chosen]]), minlength=len(both)).astype("int64")
        values = both
        while len(values) > SAMPLED:
            bits += 1
            kept = _drawn(values) & np.uint64((1 << bits) - 1) == 0
            values, counts = values[kept], counts[kept]
    return values, counts


def _drawn(values: FloatArray) -> NDArray[np.uint64]:
    """A random number for each value, uint64 (n,), that depends on its bits alone."""
    drawn: NDArray[np.uint64] = pd.util.hash_array(values)
    return drawn


def _boxcox(logs: FloatArray, power: float) -> FloatArray:
    y: FloatArray = np.expm1(power * logs) / power if abs(power) > 1e-8 else logs
    return y


class TargetState(TypedDict):
    """What is kept of a `TargetTransform`."""

    transform: Transform
    mean_: float
    std_: float
    max_: float
    centre_: float
    scale_: float
    highest_: float
    power_: float


@dataclass(frozen=True)
class TargetTransform:
    """The learned scale of a target, and the way back.

        kind       takes        y                        back
        log        above 0      log t                    above 0
        log1p      from 0 on    log(1 + t)               from 0 on
        identity   any number   (t − centre) / scale     any number
        boxcox     above 0      so, of (t^λ−1)/λ         from 0 to 10 times the largest training target

    `mean_`, `std_`, `max_`: of the training rows' y. `centre_`, `scale_`: with *identity* and *boxcox*, the mean and
    standard deviation that y is brought to 0 and 1 with, so that learning rates and the target history's constants suit
    all scales. `highest_`: the largest training target; `power_`: λ.
    """

    kind: Transform
    mean_: float = 0.0
    std_: float = 1.0
    max_: float = 0.0
    centre_: float = 0.0
    scale_: float = 1.0
    highest_: float = np.inf
    power_: float = 1.0

    @classmethod
    def fit(cls, kind: Transform, target: ArrayLike) -> "TargetTransform":
        """Learns from targets (n,). Raises `DataError` with the count where the transform does not take some."""
        return cls.learn(kind, Counted.of(pd.Series(np.asarray(target, dtype="float64"))))

    @classmethod
    def learn(cls, kind: Transform, target: Counted) -> "TargetTransform":
        """As `fit`, from how often each target occurs."""
        bad = target.missing
        for part in target.parts:
            bad += int(part.counts[cls.refused(kind, part.values.astype("float64"))].sum())
        if bad:
            n = target.missing + sum(int(part.counts.sum()) for part in target.parts)
            raise DataError(f"{bad} of {n} targets are zero, negative or missing: {kind} does not take them")
        power = boxcox_power(*_sampled(target)) if kind == "boxcox" else 1.0
        transform = cls(kind, highest_=target.summary.largest, power_=power)
        if kind in ("identity", "boxcox"):
            y = transform._summary(target)
            transform = replace(transform, centre_=y.mean, scale_=y.std or 1.0)
        y = transform._summary(target)
        return replace(transform, mean_=y.mean, std_=y.std or 1.0, max_=y.largest)

    def _summary(self, target: Counted) -> Summary | Spread:
        """Of the targets on the learned scale."""
        found = target.summary
        if isinstance(found, Summary):
            return Summary.of(self.scaled(found.values), found.counts)
        return Spread([Part(partial(self._scaled_part, part)) for part in found.parts])

    def _scaled_part(self, part: Part) -> tuple[FloatArray, IntArray]:
        values, counts = part.load()
        y = Summary.of(self.scaled(values), counts)
        return y.values, y.counts

    @staticmethod
    def refused(kind: Transform, values: FloatArray) -> NDArray[np.bool_]:
        """Which targets the transform does not take, bool (n,)."""
        low = {"log": values > 0, "boxcox": values > 0, "log1p": values >= 0, "identity": np.isfinite(values)}
        return ~(low[kind] & np.isfinite(values))

    def scaled(self, target: ArrayLike) -> FloatArray:
        """Targets that the transform takes → y, float64 (n,)."""
        values = np.asarray(target, dtype="float64")
        match self.kind:
            case "log":
                y = np.log(values)
            case "log1p":
                y = np.log1p(values)
            case "identity":
                y = (values - self.centre_) / self.scale_
            case "boxcox":
                y = (_boxcox(np.log(values), self.power_) - self.centre_) / self.scale_
        result: FloatArray = y
        return result

    def transform(self, target: ArrayLike) -> NDArray[np.float32]:
        """Targets that the transform takes → y, float32 (n,)."""
        y: NDArray[np.float32] = self.scaled(target).astype("float32")
        return y

    def inverse(self, y: ArrayLike) -> FloatArray:
        """y (n,) → the target's unit, float64 (n,); below 0 only with *identity*, infinite where it is too large."""
        values = np.asarray(y, dtype="float64")
        with np.errstate(over="ignore"):
            match self.kind:
                case "log":
                    target = np.exp(values)
                case "log1p":
                    target = np.maximum(np.expm1(values), 0.0)
                case "identity":
                    target = values * self.scale_ + self.centre_
                case "boxcox":
                    target = self._inverse_boxcox(values * self.scale_ + self.centre_)
        result: FloatArray = target
        return result

    def _inverse_boxcox(self, values: FloatArray) -> FloatArray:
        """exp(log(1 + λ·y) / λ), held within 0 and `HIGHEST` times the largest training target."""
        highest = np.log(HIGHEST * self.highest_)
        values = np.minimum(values, _boxcox(np.array([highest]), self.power_)[0])
        inside = np.maximum(1 + self.power_ * values, 0.0)
        with np.errstate(divide="ignore"):  # log 0 = −∞, and exp of it is the 0 that is meant
            logs = np.log(inside) / self.power_ if abs(self.power_) > 1e-8 else values
        target: FloatArray = np.exp(logs)
        return target

    def calibrated(self, y: ArrayLike, factor: float, shift: float = 0.0) -> FloatArray:
        """y (n,) → the y of its target times `factor` plus `shift`, float64 (n,): a calibrated forecast's."""
        if self.kind == "log" and not shift:
            moved: FloatArray = np.asarray(y, dtype="float64") + np.log(factor)
            return moved
        target = self.inverse(y) * factor + shift
        return self.scaled(target if self.kind != "boxcox" else np.maximum(target, np.finfo("float64").tiny))

    def to_state(self) -> TargetState:
        return {
            "transform": self.kind,
            "mean_": self.mean_,
            "std_": self.std_,
            "max_": self.max_,
            "centre_": self.centre_,
            "scale_": self.scale_,
            "highest_": self.highest_,
            "power_": self.power_,
        }

    @classmethod
    def from_state(cls, state: TargetState) -> "TargetTransform":
        y = state["mean_"], state["std_"], state["max_"]
        return cls(state["transform"], *y, state["centre_"], state["scale_"], state["highest_"], state["power_"])
