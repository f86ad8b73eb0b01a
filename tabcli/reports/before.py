"""What the forecast of each series is compared with: the same days last year, or as many steps just before."""

from dataclasses import dataclass

import pandas as pd

from tabcli.reports.report_rows import ReportRows
from tabcli.reports.words import plural, unit_of

OPEN_THEN = 0.8
"""A series is compared with last year where it had so many open rows then, of each row that is not forecast as 0."""

CARRIED = 0.5
"""There is no comparison with last year where such series carry less of the forecast."""


@dataclass(frozen=True)
class Before:
    """The sum of each series that can be compared, by its number.

    `against`: what these sums are of. `last_year`: whether they are last year's. `shut`: how many series had rows then
    and were shut for too long to be compared.
    """

    sums: pd.Series
    against: str
    last_year: bool
    shut: int


def before_of(rows: ReportRows) -> Before | None:
    """Last year where that can be; else the steps just before; None where nothing is forecast or known."""
    if rows.known is None or rows.forecast.empty:
        return None
    found = last_year_rows(rows)
    counts = found.groupby("series").agg(
        sum=("actual", "sum"), there=("actual", "count"), open=("open", "sum"), needed=("needed", "sum")
    )
    alike = counts[(counts["there"] > 0) & (counts["open"] >= OPEN_THEN * counts["needed"])]
    shut = int(((counts["there"] > 0) & (2 * counts["there"] >= counts["needed"])).sum()) - len(alike)
    value = rows.forecast.groupby("series")["value"].sum()
    if len(alike) and value[alike.index].sum() >= CARRIED * value.sum():
        unit = unit_of(rows.frequency, 1)
        return Before(alike["sum"], f"the same {plural(unit)} last year", True, shut)
    return _just_before(rows)


def last_year_rows(rows: ReportRows) -> pd.DataFrame:
    """Each row of the forecast with what its series had on the same day last year, in the order of the forecast.

    364 days before, so that weekdays agree; for months a year. *series*, *date* (last year's), *needed* (not forecast
    as 0), *actual* (NaN where there was no row), *open* (False there), and the columns of `ReportRows.known`.
    """
    assert rows.known is not None
    forecast, step = rows.forecast, rows.run.fitted.frequency
    back = pd.DateOffset(years=1) if step.unit == "mo" else pd.Timedelta(days=364)
    then = pd.DataFrame({"series": forecast["series"], "needed": forecast["value"] != 0})
    then["date"] = (forecast["date"] - back).astype(rows.known["date"].dtype)
    found = then.merge(rows.known, on=["series", "date"], how="left", validate="many_to_one")
    return found.assign(open=found["open"].eq(True))


def _just_before(rows: ReportRows) -> Before:
    """The sum of each series over as many steps up to the last known date as are forecast."""
    assert rows.known is not None
    n_steps = int(rows.forecast["ahead"].max())
    ago = rows.run.fitted.frequency.ago(rows.known["date"], rows.run.fitted.split.valid_end)
    sums = rows.known[ago < n_steps].groupby("series")["actual"].sum()
    return Before(sums, f"the {n_steps} {unit_of(rows.frequency, n_steps)} before", False, 0)
