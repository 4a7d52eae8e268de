"""What the labels and values of a file mean: columns, controls, contexts, genes, counts or logarithms."""
