"""Fixtures of the tests of SDXL."""

from sdxl_toys import bare, base, own, shared  # noqa: F401
