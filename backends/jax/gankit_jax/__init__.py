"""The JAX backend of gankit."""
