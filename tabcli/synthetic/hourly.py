"""Hourly rentals of bicycles at a few stations, with weather, from a known process.

The rentals of a station and hour are exp(mu + noise · z) rounded, z ~ N(0, 1); mu is the sum, in log units, of

    level     of the station, N(3.2, 0.4)
    hour      two peaks on working days, at 8 and 17:30, one at 14 on others; little at night
    weather   a parabola of the temperature, best at 24 °C; − 0.6 when it rains; − 0.02 per km/h of wind above 20
    season    a yearly wave, 0.15
    growth    + 0.2 per year

The temperature has a yearly and a daily wave and slow weather of its own; rain comes and goes over hours. With a the
rounded rentals, RMSLE is least for the forecast exp(E[log(1 + a)]) − 1; its RMSLE is the noise floor.
"""

from datetime import date
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tabcli.arrays import FloatArray
from tabcli.errors import UsageError
from tabcli.evaluation.metrics import rmsle
from tabcli.synthetic.retail import Columns, SynthResult, Tables, write_tables
from tabcli.synthetic.world import wander

MIN_TRAIN_HOURS = 24 * 70

N_QUADRATURE = 201


def _check(stations: int, hours: int, horizon: int, noise: float) -> None:
    for option, value in (("--stores", stations), ("--horizon", horizon)):
        if value < 1:
            raise UsageError(f"{option} {value}: expected 1 or more")
    if hours < horizon + MIN_TRAIN_HOURS:
        raise UsageError(
            f"--length {hours}: expected {horizon + MIN_TRAIN_HOURS} or more: "
            f"the horizon and {MIN_TRAIN_HOURS} hours before it"
        )
    if not 0 <= noise <= 1:
        raise UsageError(f"--noise {noise:g}: expected a sigma from 0 to 1")


def _weather(hours: NDArray[np.datetime64], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Temperature (°C), humidity (%), wind (km/h) and rain (0 or 1) of each hour, (T,) each."""
    day = (hours - hours.astype("datetime64[Y]").astype("datetime64[h]")).astype("int64") / 24
    clock = hours.astype("int64") % 24
    slow, wet, windy = (wander(rng, (1, len(hours)), memory)[0] for memory in (0.99, 0.95, 0.97))
    temperature = (
        12 - 10 * np.cos(2 * np.pi * (day - 20) / 365.25) - 4 * np.cos(2 * np.pi * (clock - 3) / 24) + 3 * slow
    )
    return {
        "temperature": np.round(temperature, 1),
        "humidity": np.clip(np.round(65 + 15 * wet - 0.5 * (temperature - 12)), 15, 100),
        "wind": np.round(np.exp(2.3 + 0.5 * windy), 1),
        "rain": (wet > 1.0).astype("float64"),
    }


def _by_the_clock(hours: NDArray[np.datetime64], working: NDArray[np.bool_]) -> FloatArray:
    """What the hour of the day adds, in log units, (T,)."""
    clock = hours.astype("int64") % 24

    def peak(at: float, width: float) -> FloatArray:
        distance = np.minimum(np.abs(clock - at), 24 - np.abs(clock - at))
        height: FloatArray = np.exp(-((distance / width) ** 2) / 2)
        return height

    commuting = 1.6 * peak(8, 1.2) + 1.7 * peak(17.5, 1.8) + 0.8 * peak(13, 3)
    added: FloatArray = np.where(working, commuting, 1.8 * peak(14, 3.5)) - 2.2 * peak(3, 2.5)
    return added


def _best(mu: FloatArray, noise: float) -> FloatArray:
    """The forecast of the least RMSLE: exp(E[log(1 + rounded exp(mu + noise · z))]) − 1 over z ~ N(0, 1), (n,)."""
    logs = np.zeros(len(mu))
    for i in range(N_QUADRATURE):
        z = NormalDist().inv_cdf((i + 0.5) / N_QUADRATURE)
        logs += np.log1p(np.rint(np.exp(mu + noise * z)))
    best: FloatArray = np.expm1(logs / N_QUADRATURE)
    return best


def synth_hourly(
    directory: Path,
    *,
    stations: int = 3,
    hours: int = 24 * 7 * 60,
    horizon: int = 24 * 7,
    seed: int = 42,
    noise: float = 0.25,
    start: date = date(2023, 1, 2),
    replace: bool = False,
) -> SynthResult:
    """Writes train, test, weather and `truth.csv` with the actual rentals of the test hours, and `truth.json`.

    `hours`: in all, the horizon included. The same arguments give the same bytes. Raises `UsageError` for arguments
    that make no sense.
    """
    _check(stations, hours, horizon, noise)
    rng = np.random.default_rng(seed)
    moments = np.datetime64(start, "h") + np.arange(hours)
    days = moments.astype("datetime64[D]")
    of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64")
    holiday = np.isin(of_year, (0, 120, 275, 358, 359))
    working = ((days.astype("int64") + 3) % 7 < 5) & ~holiday
    weather = _weather(moments, rng)
    mu = _by_the_clock(moments, working) - 0.0025 * (weather["temperature"] - 24) ** 2 - 0.6 * weather["rain"]
    mu = mu - 0.02 * np.maximum(weather["wind"] - 20, 0) + 0.15 * np.sin(2 * np.pi * (of_year - 80) / 365.25)
    mu = mu + 0.2 * np.arange(hours) / (24 * 365.25) + rng.normal(3.2, 0.4, (stations, 1))
    rentals = np.rint(np.exp(mu + noise * rng.normal(0, 1, mu.shape))).astype("int64")
    tables = _tables(moments, hours - horizon, {"holiday": holiday, "working_day": working}, rentals)
    tables["weather"] = {"hour": _texts(moments), **weather}
    tables["truth"]["best"] = np.round(_best(mu[:, hours - horizon :].T.ravel(), noise), 4)
    floor = rmsle(tables["truth"]["rentals"], tables["truth"]["best"])
    arguments = {"stations": stations, "hours": hours, "horizon": horizon, "seed": seed}
    facts = {
        "format_version": 1,
        "arguments": {"kind": "hourly", **arguments, "noise": noise, "start": str(start)},
        "noise_floor": {"rmsle": floor},
        "formula": "best = exp(E[log(1 + rentals)]) - 1; RMSLE = sqrt(mean((log(1 + rentals) - log(1 + best))^2))",
    }
    write_tables(directory, tables, facts, replace=replace)
    return SynthResult(directory, len(tables["train"]["hour"]), len(tables["test"]["hour"]), floor, "rmsle")


def _texts(moments: NDArray[np.datetime64]) -> NDArray[np.str_]:
    return np.char.replace(np.datetime_as_string(moments, unit="m"), "T", " ")


def _tables(
    moments: NDArray[np.datetime64], n_train: int, known: dict[str, NDArray[np.bool_]], rentals: NDArray[np.int64]
) -> Tables:
    """train, test and truth, by hour and station."""
    tables: Tables = {}
    n = len(rentals)
    for name, part in (("train", slice(0, n_train)), ("test", slice(n_train, None))):
        hour = np.repeat(np.arange(len(moments))[part], n)
        rows: Columns = {"hour": _texts(moments)[hour], "station": np.tile(np.arange(1, n + 1), len(hour) // n)}
        rows |= {c: values[hour].astype("int64") for c, values in known.items()}
        ids = np.arange(1, len(hour) + 1)
        if name == "train":
            rows["rentals"] = rentals[rows["station"] - 1, hour]
        else:
            rows = {"id": ids, **rows}
            tables["truth"] = {"id": ids, "rentals": rentals[rows["station"] - 1, hour]}
        tables[name] = rows
    return tables
