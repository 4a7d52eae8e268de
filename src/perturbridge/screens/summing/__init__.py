"""One pass over the cells: fixed-point sums, and the effects that follow from them."""
