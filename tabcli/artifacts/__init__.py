"""What flows between stations: the types of what is fitted, prepared and trained. They know nothing of the disk.

encoded_names  what the columns of encoded tables are called
split          the split by time
summary        PrepSummary: what prep found
records        EpochRecord, WindowScore, TrainMetrics: what training reached
contents       FittedPipeline, Prepared, Run
"""
