"""Where values and labels lie: containers, matrices, columns, read row by row and checked."""
