"""Object stores as state and sources both meet them: settings, and what the library's faults mean."""
