"""What a person declares: YAML, a preset and overrides become one frozen, checked `Config`.

my.yaml ─ yaml12 ─┐
preset ───────────┼─▶ loading ─▶ schema.Config ─▶ everything below
-S key=value ─────┘      └─ checks: all problems at once

values       what keys may hold: lengths of time, conditions, names
reads        which keys name columns, and what a column is read for
data         sections about tables, joins, availability, target, rows to forecast
features     sections about features and the target's history
learning     sections about the network, training, calibration, search
yaml12       YAML from anywhere, by the rules of 1.2
card         the section about the card of a run; a person's answers
schema       the whole config, and the presets
checks       what is wrong beyond the types of single keys
loading      file or mapping + preset + overrides → Config
"""
