"""The shell: where the core and the outside meet."""
