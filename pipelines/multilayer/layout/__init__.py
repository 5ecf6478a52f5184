"""Where the layers of a design lie: planners by rules and by language models; text in type."""
