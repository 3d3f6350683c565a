"""YAML 1.2: the only place that knows ruamel.yaml."""
