"""The defaults of ART's and CLD's published code, without importing a network library."""

STEPS = 28
EMBEDDED_GUIDANCE = 4.0  # of the distilled model
TRUE_GUIDANCE = 3.5  # classifier-free, with the empty prompt besides
SIDE = 1024  # pixels of the canvas that both were trained at
MOST_FOREGROUNDS = 50  # layers' vectors, less those of the composite and the background
