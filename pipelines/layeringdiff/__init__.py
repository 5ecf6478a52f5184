"""The method `layeringdiff`: a picture from text, and then taken apart."""
