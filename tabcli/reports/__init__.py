"""What people look at, made from preps and runs.

rows of a report ─┬─ judged ────────────┐
                  ├─ planned, drift ────┤
                  ├─ before ─ findings ─┼─▶ charts ─▶ page
run ── facts ─────┴─ series ── drawable ┘

plots        learning curves, the curve of the learning-rate finder
inspection   what is in a table, a prep or a run
words        numbers as they are said
report_rows  the rows that a report is about: forecast, known before, of past windows
judged       promised against got: past windows by groups
before       what the forecast is compared with: last year, or just before
planned      what is already in the number: promotions, holidays, closing days
drift        which inputs of the rows to forecast training saw otherwise
series       each single series: its sum and its weeks
findings     what a report says in numbers: its sentence, all series together, what deserves a look
why          what next week has more than the week before, by source
drives       what drives the forecast: importance by source, and the week against the one before
facts        the data, how the run was validated, the baselines, versions
drawable     single series as integers that the page's script draws
drawing      how a chart is drawn: SVG and PNG, each with its table
charts       the charts of a report
two_runs     two runs beside each other: settings, past windows, forecasts
card_html    the model card's Markdown as HTML
page         a report as one HTML page; its template, style and script are in templates/
two_runs_page  two runs as one HTML page, and its charts
"""
