"""Checkpoints: which there are, where they lie, how they are fetched and verified.

``registry`` holds them as data, ``store`` finds them on this machine without touching the
network, ``fetch`` downloads them, ``inspection`` verifies and removes them, and ``lock`` remembers
what was accepted and what was first seen.
"""
