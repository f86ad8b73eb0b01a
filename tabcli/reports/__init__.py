"""What people look at, made from preps and runs.

plots        learning curves, the curve of the learning-rate finder
inspection   what is in a table, a prep or a run
"""
