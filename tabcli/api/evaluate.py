"""evaluate: a forecast against what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tabcli.api.sources import read_any
from tabcli.errors import UsageError
from tabcli.evaluation.comparison import Evaluation, PastActuals, compare
from tabcli.tables.reading import TableSource


def evaluate(
    predictions: TableSource,
    actuals: TableSource,
    *,
    target: str | None = None,
    on: Sequence[str] = (),
    by: str | None = None,
    quantile: float | None = None,
    history: TableSource | None = None,
    date: str | None = None,
    series: Sequence[str] = (),
    events: Sequence[str] = (),
    reading: Mapping[str, str] | None = None,
) -> Evaluation:
    """Metrics of a forecast against what happened, over all rows and by the values of a column of either table.

    `target` defaults to the last column of the predictions, `on` to their other columns that the actuals have too.
    With a `history`, the rows known before, and its `date` and `series` columns also MASE and the metrics of naive
    forecasts of the same rows: medians by series and `events`, last season's and last values. `reading`: how the
    actuals and the history are written, as in a config's table. Raises `DataError` where an actual row has no
    prediction, or a key is not unique.
    """
    if quantile is not None and not 0 < quantile < 1:
        raise UsageError(f"--quantile {quantile:g}: expected a number between 0 and 1")
    if (history is None) != (date is None and not series and not events) or (history is not None and not date):
        raise UsageError("--history goes with --date and --series, which say what its rows are of, and with --events")
    dates = [date] if date else []
    forecast = read_any(predictions, "predictions", dates)
    truth = read_any(actuals, "actuals", dates, reading)
    past = None
    if history is not None and date is not None:
        past = PastActuals(read_any(history, "history", dates, reading), date, series, events)
    return compare(forecast, truth, target or str(forecast.columns[-1]), on=on, by=by, quantile=quantile, past=past)
