"""Sales tables from known processes, whose noise floor is therefore known.

world        the process behind daily sales of stores
retail       its tables
weekly       stores × products by week
hourly       rentals by hour, with weather
"""
