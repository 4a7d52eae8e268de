"""Terms added to the loss that take the context out of z, each computed within strata."""
