"""Games written by hand for PyTorch. `best` is the opponent: as fast as we know how; `stock` is good textbook code."""
