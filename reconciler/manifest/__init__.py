"""Where YAML comes in: positions and round trips, then the shape, then our own frozen values."""
