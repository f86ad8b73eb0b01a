"""What a forecast must not fall below: naive forecasts, and how much of the best one stands beside the networks.

past rows ─▶ naive forecasts of past windows ─▶ the best one ─▶ its share beside the networks, by the same windows

known      what is known at a cutoff
paths      a level, a trend and a season for every series
seasons    the last value, the last season, the usual one
smoothing  exponential smoothing
medians    medians of rows that are alike
naive      all of them by name
blend      which one, and its share
"""
