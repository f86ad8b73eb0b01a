"""What a run says of itself: what it is for, what it reached, against whom it errs, where it is weak.

run ─ segments ─▶ errors of groups of past rows ─┐
    ├ bias ─────▶ groups of series               ├─ known ─▶ limits ─▶ model_card, datasheet
    └ made ─────▶ what made it, and the one before ┘

segments    rows of past windows with their forecasts, and scores of groups of them
baselines   naive forecasts of the validation rows beside the run's own
bias        which groups of series are forecast worse, too high or too low
made        what made a run, the run before it, and what changed
known       all that a card knows of a run
limits      what the past did not show, and where forecasts were weak
metrics     what each metric counts, in words
markdown    tables, heads, blanks, drawn windows
reached     sections on what past windows say: results, segments, bias
model_card  MODEL_CARD.md
datasheet   DATASHEET.md
"""
