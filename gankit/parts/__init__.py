"""What plugs into the game: losses, penalties, constraints, augmentations, optimizers, schedules, initializers.

Each is mathematics written once against `ops`, and knows nothing of the loop that plays it.
"""
