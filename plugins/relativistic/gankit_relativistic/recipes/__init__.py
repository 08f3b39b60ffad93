"""Games of relativistic losses."""
