"""What flows between stations: the types of what is fitted, prepared and trained. They know nothing of the disk.

contents     FittedPipeline, Prepared, Run
"""
