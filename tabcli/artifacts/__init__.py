"""What flows between stations: the types of what is fitted, prepared and trained. They know nothing of the disk.

split        the split by time
summary      PrepSummary: what prep found
records      EpochRecord, WindowScore, TrainMetrics: what training reached
contents     FittedPipeline, Prepared, Run
"""
