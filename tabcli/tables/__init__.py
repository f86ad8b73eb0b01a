"""Files and DataFrames become tables whose columns are of five kinds, right or refused with the row.

CSV ─ delimited ─ texts ─┐
pickle ─ pickles ────────┼─▶ kinds ─▶ reading ─▶ contract ─▶ joins ─▶ one table of all rows
Parquet, DataFrame ──────┘

CSV, Parquet, folders of them ─ blocks ─ coded ─▶ streamed ─▶ partition ─▶ shards of whole series, typed likewise

parts        a table in one file, or in a folder of them
levels       a column of texts by its different ones
moments      texts → dates
texts        texts → numbers, missing values
delimited    text files of any encoding and delimiter → texts
pickles      pandas tables from untrusted pickles
kinds        int, float, bool, date, text: what every column is
written      dates → texts, as their owner writes them
rows         rows put together, told apart, matched with a condition
shapes       wide tables made long, lines of sale made rows
reading      a source → a table, after the config's steps
blocks       a table of any size → blocks of its rows
witnesses    a value for each way in which the values of a column differ for typing
coded        blocks → codes of each column's different values, on the disk
streamed     codes → typed columns of all rows, by the code of `reading`
partition    streamed columns → shards of whole series, on the disk
writing      a table → a file, whole or not at all
staged       the tables of a folder at a URL
contract     all tables of a config; the kinds that later tables must have
shard_keys   the keys of a table in shards, checked over all of them
joins        what lookup tables add, kept once per key
"""
