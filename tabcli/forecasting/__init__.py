"""A run and raw tables become forecasts: points, quantiles and intervals of rows, totals of many rows.

raw rows ─ pipeline.apply ─▶ encoded rows ─ outputs ─▶ learned scale ─ points ─▶ one number a row
                                                            └──────── bounds ─▶ quantiles, by errors of past windows

outputs      what the networks and the floor give for encoded rows
notes        what a reader of a forecast should know
bounds       quantiles and intervals of each row
groups       rows in groups by their columns, and the past rows of each
totals       sums of rows, with intervals of their own
total_parts  the same, of rows that are forecast in parts
overrides    a person's numbers in place of forecasts
known        what the series had before
reasons      why a row deserves a look
departures   the same, for forecasts far from what one would expect
review       the rows that most deserve one
points       the forecast of every row, in the order of the rows
parts        forecasts of parts of the rows, put together in their order
"""
