"""The scale on which the target is learned: log, log1p, identity or Box–Cox, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tabcli.arrays import FloatArray
from tabcli.config.values import Transform
from tabcli.errors import DataError
from tabcli.preprocessing.summaries import Summary

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


def boxcox_power(target: FloatArray) -> float:
    """The λ in −2 … 2 with which (t^λ − 1) / λ of positive targets (n,) is most like normal, by its likelihood."""
    logs = np.log(target)

    def cost(power: float) -> float:
        return float(np.log(_boxcox(logs, power).std() + 1e-300) - (power - 1) * logs.mean())

    return golden_section(cost, -2.0, 2.0) if logs.std() > 0 else 1.0


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
        values = np.asarray(target, dtype="float64")
        bad = int(cls.refused(kind, values).sum())
        if bad:
            raise DataError(f"{bad} of {len(values)} targets are zero, negative or missing: {kind} does not take them")
        transform = cls(kind, highest_=float(values.max()), power_=boxcox_power(values) if kind == "boxcox" else 1.0)
        if kind in ("identity", "boxcox"):
            y = Summary.of(transform.scaled(values))
            transform = replace(transform, centre_=y.mean, scale_=y.std or 1.0)
        y = Summary.of(transform.scaled(values))
        return replace(transform, mean_=y.mean, std_=y.std or 1.0, max_=float(y.values[-1]))

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
