"""What drives a forecast: importance by source, what made one forecast higher than another, what another plan would do.

config ─ sources ─▶ which inputs move together
encoded rows ─ seen ─▶ what networks see ─ shuffled ─▶ importance

sources     which inputs, and which parts of the history, come from one source
seen        what a run's networks see of rows, and what they make of it
shuffled    rows' sources exchanged, within a date or within a series
importance  how much worse forecasts get without what a source tells
"""
