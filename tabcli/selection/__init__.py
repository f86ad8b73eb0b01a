"""Which settings are best: folds of the past, each forecast as of its own day, beside what must be beaten.

config + tables ─ folds ─▶ cut at each cutoff ─ prep, train, predict ─▶ scores beside peers ─ search ─▶ best settings

trees        gradient-boosted trees on the network's own inputs
peers        what a fold's forecast is compared with
scores       what each forecast of a fold is worth
folds        rolling-origin folds
search       a search over settings
"""
