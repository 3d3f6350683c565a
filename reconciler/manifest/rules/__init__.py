"""What must hold between documents, and for values that a schema cannot judge: one small function each."""
