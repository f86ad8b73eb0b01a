"""What people look at, made from preps and runs.

rows of a report ─┬─ judged ────┐
                  ├─ findings ──┼─▶ charts ─▶ page
run ── facts ─────┴─ drawable ──┘

plots        learning curves, the curve of the learning-rate finder
inspection   what is in a table, a prep or a run
report_rows  the rows that a report is about: forecast, known before, of past windows
judged       promised against got: past windows by groups
findings     what a report says in numbers: its sentence, all series together, what deserves a look
facts        the data, how the run was validated, the baselines, versions
drawable     single series as integers that the page's script draws
charts       charts as SVG and PNG, each with its table
page         a report as one HTML page; its template, style and script are in templates/
"""
