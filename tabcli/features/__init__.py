"""Table → table, with nothing fitted: what a row's date, events and moments say; and which columns may be used.

frequency     how far apart rows are: seconds or calendar months; the season
dates         year, month, weekday and other parts of a date; days from Easter, to the month's end; waves
holidays      public holidays, looked up once and kept
events        time since and until known events, counts around a day
elapsed       time since a moment, months that recur
availability  what is known when: the guard against leaks, and the choice of inputs
building      joins and features → the feature table
"""
