"""`gankit sweep`: many runs of one game, each a `gankit train` of its own, and the table of what came out.

It may import everything but the conformance suite; nothing imports it but the command line. It brings no framework in.
"""
