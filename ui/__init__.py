"""How people reach the studio."""
