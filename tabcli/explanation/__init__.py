"""What drives a forecast: importance by source, what made one forecast higher than another, what another plan would do.

encoded rows ─ seen ─▶ what networks see ─ shuffled ─▶ importance ─ retrained ─▶ a check
                                     │
raw rows ─ plan ─┬─ compared ────────┴─ gradients ─▶ contributions ─▶ words, charts
                 └─ what_if ─▶ the forecast of another plan

sources        which inputs, and which parts of the history, come from one source
seen           what a run's networks see of rows, and what they make of it
shuffled       rows' sources exchanged, within a date or within a series
importance     how much worse forecasts get without what a source tells
retrained      networks trained without a source, beside one with all
gradients      integrated gradients of a network
contributions  parts of what forecasts differ from each other in, by source
plan           the rows that can be explained
compared       rows beside what they are compared with
what_if        the forecast of another plan
words          contributions in words
charts         explanations as charts
"""
