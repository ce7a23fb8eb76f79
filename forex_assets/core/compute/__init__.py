"""Compute port: runs blocks of work, if need be elsewhere.

In this process, in worker processes, or on Dask. In: a function, inputs that all blocks share, and blocks. Out: one
result a block, equal wherever it was computed. Not here: what a block is, and where its result is stored.
"""
