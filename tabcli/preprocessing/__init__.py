"""What is fitted to the training rows alone and applied unchanged to all rows.

column ─▶ categorify ─▶ codes            int32; one code for missing, one for unknown
column ─▶ fill-missing ─▶ normalize ─▶   float32; and a flag for what was missing
target ─▶ log, log1p, identity, Box–Cox ─▶ y, and back

summaries    median, mean and standard deviation, whatever parts the rows are cut into
counts       how often each value of a column occurs, in one part of the rows or in several
categorical  categorify: values → codes; missing and unknown values have codes of their own
continuous   fill-missing and normalize: medians, means, standard deviations
target       the scale on which the target is learned
columns      the three steps over all columns of a table
"""
