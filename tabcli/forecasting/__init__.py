"""A run and raw tables become forecasts. Intervals will stand beside the points, by what `evaluation` fits for them.

points       the forecast of every row, in the order of the rows, and warnings
"""
