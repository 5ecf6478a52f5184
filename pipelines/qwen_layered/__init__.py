"""The method `qwen-layered`: Qwen-Image-Layered, for any picture."""
