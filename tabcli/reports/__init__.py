"""What people look at.

plots        learning curves
inspection   what is in a table, a prep or a run
"""
