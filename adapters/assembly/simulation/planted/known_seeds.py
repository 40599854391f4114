"""Known seeds: for each planted bug the first seed that is known to show it. A hint, searched first: worlds change with
the code, and then the others are searched as well.
"""

KNOWN_SEEDS: dict[str, int] = {}
