"""The shape of a document of each kind, as pydantic models: the only place that knows pydantic."""
