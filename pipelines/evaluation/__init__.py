"""Methods scored on pictures whose layers are known: samples, scores, runs and reports."""
