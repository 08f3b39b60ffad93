"""Classic losses, penalties and a game for gankit."""
