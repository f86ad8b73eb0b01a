"""Prep and run directories: saved whole, verified before they are read. No pickle, no torch.

manifest     kind, fingerprint, sizes and hashes; written last, read first
directories  the layout of the files
"""
