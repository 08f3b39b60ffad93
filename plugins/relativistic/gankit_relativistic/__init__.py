"""Relativistic losses for gankit, and R3GAN's game that is built on them."""
