"""Plans, runs and diagnostics as text, JSON and Markdown. Pure functions."""
