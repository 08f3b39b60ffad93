"""The PyTorch backend of gankit."""
