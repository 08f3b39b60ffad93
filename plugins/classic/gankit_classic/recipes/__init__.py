"""Games of the losses of this package."""
