"""The method ``flat``: graphic design taken apart without weights."""
