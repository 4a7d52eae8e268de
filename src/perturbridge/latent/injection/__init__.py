"""Ways to tell the decoder what was done to a cell."""
