"""Named games: one short file each, whose numbers carry their source."""
