"""Checkpoints as older versions wrote them, and what these versions made of them: they open for ever.

`python -m tests.before.write FOLDER` writes a new set, before a change of the format and never after it.
"""
