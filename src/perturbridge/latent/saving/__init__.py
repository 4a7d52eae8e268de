"""A fitted latent model on disk."""
