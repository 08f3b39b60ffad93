"""Run folders: what is written while a game is trained, and read again afterwards.

It may import the game; no game needs it.
"""
