"""Methods that make documents, one package per family."""
