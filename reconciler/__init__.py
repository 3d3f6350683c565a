"""Push who is in each segment now to Autopilot: declared in YAML, planned, judged, and sent only where it changed."""
