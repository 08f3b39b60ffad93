"""The MLX backend of gankit."""
