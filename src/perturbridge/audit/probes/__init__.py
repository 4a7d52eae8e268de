"""Probes of rising strength: what can be read from a latent, from a closed form to boosted trees."""
