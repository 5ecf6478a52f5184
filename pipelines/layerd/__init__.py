"""The method `layerd`: what lies on top is matted, taken off and filled, again and again."""
