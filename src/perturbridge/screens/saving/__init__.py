"""Screens, effects and predictions as files."""
