"""Models that come from a registry and go there: the part that acts.

What to ask and what an answer means is decided in `arriero.server.registry`.
"""
