"""A run and raw tables become forecasts.

points       one number for every row, in the order of the rows
"""
