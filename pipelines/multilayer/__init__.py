"""Stacks of layers in one go: text and boxes to layers (ART), picture and boxes to layers (CLD)."""
