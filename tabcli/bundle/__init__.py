"""Prep and run directories: saved whole, verified before they are read. No pickle, no torch.

manifest     what a directory is, and the size and hash of every file; written last, read first
tensors      arrays in files: checkpoints
transfer     such directories at URLs: fetched, and published with the manifest last
directories  the layout of the files
"""
