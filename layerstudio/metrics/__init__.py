"""How good a decomposition is: LayerD's protocol, CLD's protocol, and recomposition."""
