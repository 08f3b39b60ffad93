"""How parts are found: hooks, discovery, isolation of what is broken, names, and the entries of core's own parts.

It imports no part: an entry is a name and a target, imported when it is first used.
"""
