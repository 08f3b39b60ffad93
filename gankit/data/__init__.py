"""Data: what a game is trained on, from names, arrays, files, folders of images and iterables of batches."""

from gankit.data.dataset import Dataset, Scaling
from gankit.data.folders import folder, pairs
from gankit.data.sources import open_data
from gankit.data.stream import batches
from gankit.data.tables.table import Table, table

__all__ = ["Dataset", "Scaling", "Table", "batches", "folder", "open_data", "pairs", "table"]
