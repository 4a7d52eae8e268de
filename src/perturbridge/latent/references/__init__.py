"""Latents to compare with, fitted on the same rows and handed over in the same record."""
