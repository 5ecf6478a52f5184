"""What the authors of Qwen-Image-Layered publish and recommend; needs no torch.

Values are those of their README and app (QwenLM/Qwen-Image-Layered) and of arXiv:2512.15603.
"""

STEPS = 50
GUIDANCE = 4.0
NEGATIVE = " "  # guidance needs a second prompt, and this one says nothing
MOST_LAYERS = 20  # the most that it was trained on
FEWEST_AUTO, MOST_AUTO = 3, 10  # layers asked of the network where nobody gave a number
RECOMMENDED_SIDE = 640  # "we recommend 640 for this version": side of a square of the area
SIDES = {"640": 640, "1024": 1024}  # areas that it was trained at, by their settings
MULTIPLE = 32  # pixels: what both sides of a working size are multiples of
CAPTION_TOKENS = 512
TEXT_TOKENS = 512
