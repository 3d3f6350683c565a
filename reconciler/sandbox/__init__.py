"""A stand-in for the Autopilot API that keeps a world. It imports nothing of ours."""
