"""LayerDiffuse (Zhang and Agrawala 2024, arXiv 2402.17113): transparent images from text."""
