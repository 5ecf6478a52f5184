"""Networks, and what is done with their weights: the only torch in the core."""
