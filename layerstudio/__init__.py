"""LayerStudio: layered images from text and from flat pictures."""
