"""Sales tables from known processes, whose noise floor is therefore known.

world        the process behind daily sales of stores
retail       the tables of that process; the writing of all tables
weekly       sales of stores × products by week
hourly       rentals of stations by hour, with weather
"""
