"""What any part of a game is held to, whoever wrote it: losses, penalties, networks, metrics."""
