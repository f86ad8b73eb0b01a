"""A folder of tables becomes a commented config; where two answers are equally good, a person is asked.

folder ─▶ rows (date, target, series) ─▶ joins ─▶ discovery ─▶ plan ─▶ config_writer

findings       what is found, and what a person may say beforehand
columns        what a single column is
spelling       how a file is written: lines, numbers, dates
folder         files → tables, as they are written
layout         wide tables, lines of sale
rows           past and future rows; their date
targets        which column is the target
series         which columns tell series apart
steps          how far apart rows are, which steps have none
quiet          single dates on which little was sold
joins          how the other tables join
discovery      what each column is
plan           which features and inputs a config proposes, and why
config_writer  a plan → a commented config
"""
