"""The target's own past as inputs, exactly as stale in training as in a forecast: statistics as of drawn origins.

windows      how far back, in time and in steps
grid         series × steps: where rows lie
statistics   levels, effects, spread and season at every origin
"""
