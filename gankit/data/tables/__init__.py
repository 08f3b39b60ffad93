"""Tables: rows of mixed columns, as numbers that a game can be played on, and back. pandas is imported when one comes.

May import what `gankit.data` may.
"""
