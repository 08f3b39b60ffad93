"""Loggers for gankit: Weights & Biases, and trackio."""
