"""The game and its loop: what is drawn, how both players are judged, the step, and the trainer around it.

It knows the contracts (`gankit.interfaces`) and asks the backend; it imports no part by name, no figure and no command.
"""
