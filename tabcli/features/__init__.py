"""Table → table, with nothing fitted: what a row's date, events and moments say. Which columns may be used, and when.

frequency     how far apart rows are: seconds or calendar months
dates         year, month, weekday and other parts of a date; days from Easter, to the month's end; waves
holidays      public holidays, kept
events        time since and until known events, counts around a day
elapsed       time since a moment, months that come again
availability  what is known when: the guard against leaks, and the choice of inputs
building      the joined and expanded table
"""
