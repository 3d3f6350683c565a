"""Where contacts go: one file for each destination, with all its wire knowledge."""
