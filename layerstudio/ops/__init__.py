"""What can be done to pixels: unblending, filling, baking, exactness."""
