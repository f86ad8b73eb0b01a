"""What a forecast must not fall below: naive forecasts, and how much of the best one stands beside the networks.

past rows ─▶ naive forecasts of past windows ─▶ the best mixture ─▶ its share beside the networks, by the same windows

Two modules make naive forecasts, because they do different work. `evaluation.naive` takes raw tables of any keys and
forecasts once, in the target's unit, what a network must beat: it needs nothing fitted, so `evaluate` can call it on
two CSV files. The forecasts here are made of codes, on the learned scale, anew for each of many windows, and those that
stand beside the networks are kept in the run as arrays.

known      what is known at a cutoff, as codes and numbers
paths      a level, a trend and a season for every series
seasons    the last value, the last season, the usual season, the course of earlier years
smoothing  exponential smoothing
medians    medians of rows that are alike
naive      all naive forecasts by name, and mixtures of them
blend      which mixture stands beside the networks, and its share
"""
