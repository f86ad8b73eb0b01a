"""Which settings are best: past windows forecast as if today were then, beside what must be beaten.

trees        gradient boosting on the network's own inputs
peers        what a fold's forecast is compared with
folds        rolling-origin folds
search       a search over settings
"""
