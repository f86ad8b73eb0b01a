"""Numbers in, numbers out: what a forecast is worth, and what it must beat. Knows no network.

naming           the names of metrics, and how values are written
quantiles        the columns of quantiles and intervals
metrics          what a forecast is judged by
quantile_scores  what quantiles and intervals are worth
rare             past windows in which a few rows decide
calibration      the factor or shift that is best for a metric
experience       how errors fall with what networks had learned from
time_of_year     how uncertain a time of the year is
scatter          how widely what happens scatters around a forecast
naive            naive forecasts from raw tables: medians, last values
matching         the rows of a forecast and of what happened, matched by key
value_added      whether a person's numbers were nearer than the forecasts that they replaced
past             what the rows known before say of a forecast
bounds           the quantiles and intervals of a forecast's rows, checked and scored
comparison       a forecast beside what happened
"""
