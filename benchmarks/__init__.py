"""The speed suite: gankit beside hand-written loops and other toolkits, taking turns. `python -m benchmarks --help`."""
