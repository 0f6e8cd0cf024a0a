"""Policies: settings, state and the time in; a decision out.

None of them waits, locks or reads a clock. `arriero._core.governor` holds their state for a
client and gives each call its turn.
"""
