"""``peel``: ``flat`` guided by a small network that ships with the package."""
