"""log p(x | z): fused count likelihoods with analytic gradients, and the Gaussian."""
