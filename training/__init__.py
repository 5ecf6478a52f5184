"""How training data and examples are made; not part of the package."""
