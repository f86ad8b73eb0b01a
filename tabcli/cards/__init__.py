"""What a run says of itself: what it reached, for whom, and where it is weak.

run ─ segments ─▶ errors of groups of past rows
    └ baselines ▶ what had to be beaten

segments   rows of past windows with their forecasts, and scores of groups of them
baselines  naive forecasts of the validation rows beside the run's own
bias       which groups of series are forecast worse, too high or too low
"""
