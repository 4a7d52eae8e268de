"""Cells as minibatches: rows of a sparse matrix in memory or on disk, in an order drawn from a seed."""
