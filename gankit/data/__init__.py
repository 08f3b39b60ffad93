"""Data: what a game is trained on, from names, arrays and files."""

from gankit.data.dataset import Dataset, Scaling
from gankit.data.sources import open_data

__all__ = ["Dataset", "Scaling", "open_data"]
