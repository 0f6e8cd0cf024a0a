"""The sync façade, generated from `arriero._async` by `tools/unasync.py`."""
