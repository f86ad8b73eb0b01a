"""A folder of tables becomes a commented config; where two answers are equally good, a person is asked.

folder ─▶ rows (date, target, series) ─▶ sides (joins) ─▶ discovery ─▶ plan ─▶ config_writer

findings       what is found, and what a person may say beforehand
folder         files → tables, as they are written
rows           past and future rows; date, target, series
sides          how the other tables join
discovery      what each column is
plan           which features and inputs a config proposes, and why
config_writer  a plan → a commented config
"""
