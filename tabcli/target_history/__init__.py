"""The target history: the target's own past as inputs, exactly as stale in training as in a forecast.

rows with a target ─ grid ─▶ series × steps ─ statistics ─▶ at every origin ─▶ a training row's at a drawn origin
                                                                       └─▶ snapshot: as of the last known step

windows      how far back statistics look, in time and in steps
grid         series × steps: where rows lie
totals       sums over all series, whatever parts the series are cut into
rounds       statistics of some of all series, in three rounds of totals
statistics   levels, effects, spread and season at every origin
"""
