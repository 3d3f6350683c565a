"""Flags to wiring to flow to report to exit code. It decides nothing."""
