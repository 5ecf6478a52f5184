"""``studio``: the small multi-layer model that comes with the package."""
