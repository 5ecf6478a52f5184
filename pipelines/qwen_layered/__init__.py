"""Qwen-Image-Layered (arXiv:2512.15603): pictures to RGBA layers by one diffusion transformer."""
