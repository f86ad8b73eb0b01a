"""Raw tables become encoded ones: fitted once by prep, applied unchanged by predict, one code path for both.

tables ─ joined ─▶ rows ─ split ─▶ learn │ gap │ score ─ prepare ─▶ Prepared
                                               └─ apply ─▶ rows to forecast, encoded

scored       which rows have a target to learn from or to be scored on
split        the split by time
groups       which columns tell kinds of series apart
plan         what dates and keys of all rows decide: step, horizon, split
joined       tables → joined rows with features; nothing is fitted
seen         what the past rows show of time: gaps, months, occasions of events
future       rows to forecast, made by rules
inputs       which columns are inputs, and in which role
wider        medians of groups that reach over parts of the rows
survey       joined rows → counts of what is in them
fitting      counts → everything that is fitted
encoding     keys and places beside encoded columns; the past of the target
prepare      prep's way: split, fit, encode
passing      what one process of a prep hands to another
cutting      tables on the disk, the rows in shards of whole series
shards       prep's way in shards: what each tells, what all decide
apply        predict's way: rows to forecast, encoded by what was fitted
"""
