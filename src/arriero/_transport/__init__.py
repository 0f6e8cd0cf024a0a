"""Adapters to HTTP libraries: the only place that imports one."""
