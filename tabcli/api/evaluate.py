"""evaluate: a forecast against what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tabcli.api.sources import read_any
from tabcli.api.urls import at_urls
from tabcli.errors import UsageError
from tabcli.evaluation.comparison import Evaluation, compare
from tabcli.evaluation.past import PastActuals
from tabcli.evaluation.quantiles import point_column
from tabcli.evaluation.value_added import model_column, value_added
from tabcli.tables.reading import TableSource


@at_urls(predictions="table", actuals="table", history="table", overrides="table")
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
    overrides: TableSource | None = None,
    reading: Mapping[str, str] | None = None,
) -> Evaluation:
    """Metrics of a forecast against what happened, over all rows and by the values of a column.

    Quantiles and bounds of intervals beside the forecast (Sales_q10, Sales_lo80, Sales_hi80) are found by their names
    and scored. Raises `DataError` where an actual row has no prediction, a key is not unique, or bounds cross.

    predictions: the forecast, a DataFrame or a file.
    actuals: what happened, a DataFrame or a file.
    target: the column that is compared; by default the last column of the predictions.
    on: the columns that match rows; by default all others that both tables have.
    by: a column of either table; the metrics are given for each of its values too, the worst first.
    quantile: the quantile that was forecast, between 0 and 1; then also its pinball loss.
    history: the rows known before the scored ones, a DataFrame or a file; then also MASE, and naive forecasts of the
        scored rows.
    date: the column with the date, of the history and the scored rows.
    series: the columns that tell series apart, of the history and the scored rows.
    events: columns, such as promotions, that the naive medians are by too.
    overrides: what predict wrote of a person's numbers (forecast.overrides.csv), a DataFrame or a file; then also
        whether they helped. A forecast with a column such as Sales_model beside Sales needs none.
    reading: how the actuals and the history are written, as in a config's table: {"decimal": ","}; of it the
        predictions take how dates are written.
    """
    if quantile is not None and not 0 < quantile < 1:
        raise UsageError(f"--quantile {quantile:g}: expected a number between 0 and 1")
    if (history is None) != (date is None and not series and not events) or (history is not None and not date):
        raise UsageError("--history goes with --date and --series, which say what its rows are of, and with --events")
    dates = [date] if date else []
    written = {key: value for key, value in (reading or {}).items() if key in ("date_format", "day_first")}
    forecast = read_any(predictions, "predictions", dates, written)
    truth = read_any(actuals, "actuals", dates, reading)
    past = None
    if history is not None and date is not None:
        past = PastActuals(read_any(history, "history", dates, reading), date, series, events)
    target = target or point_column(forecast.columns)
    found = compare(forecast, truth, target, on=on, by=by, quantile=quantile, past=past)
    if overrides is None and model_column(target) not in forecast.columns:
        return found
    given = None if overrides is None else read_any(overrides, "overrides", dates, written)
    return replace(found, overrides=value_added(given, forecast, truth, target, found.on))
