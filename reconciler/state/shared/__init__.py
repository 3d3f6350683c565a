"""The state of a project that several machines share, over a store of objects."""
