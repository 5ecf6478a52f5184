"""Single steps of taking a picture apart, each an adapter that can be swapped."""
