"""Checkpoints: where they come from and how they are verified. No method needs one yet."""
