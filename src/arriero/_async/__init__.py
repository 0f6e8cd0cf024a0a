"""The async façade, written by hand: signatures, docstrings, a line each."""
