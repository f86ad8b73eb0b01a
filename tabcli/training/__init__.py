"""Encoded tables become weights: datasets, the network, the loop, several members side by side.

Prepared ─ inputs ─▶ Dataset ─ loop ─▶ weights ─ tasks ─▶ members ─ ensemble ─▶ calibrated ensemble

outlook      what rows see of known events ahead of them
dataset      encoded tables → tensors and batches
layers       the parts of the network
network      the network, mixup
group        the processes that train one network together, or one alone
optimizer    the optimiser, the schedule of the learning rate (where it rises and falls), averaged weights
loop         the training loop, checkpoints
lr_find      the learning-rate finder
scales       what networks scale their inputs and outputs by, of parts of the rows or of all
inputs       which rows a network learns from and is scored on
row_files    an epoch's rows on the disk, and batches that mix several files
shards       a prep of several shards: what all have together, and each one's rows of an epoch
streamed     the rows of several shards as a network learns from them, drawn by a process beside it
floors       the floor: naive forecasts of past windows, and their share beside the networks
yearly       what naive forecasts erred by at each time of the year
past         rows of past windows with what was forecast
members      one network of an ensemble, with its checkpoints
ranks        networks that several processes train together: started, and started again
tasks        several networks: here, in processes, on Ray
ensemble     members, floor, calibration, refit
"""
