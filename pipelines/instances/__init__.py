"""The method `instances`: objects of photographs, found, ordered, matted and completed."""
