"""Policies: settings, state and the time in; a decision out. None waits, locks or reads a clock."""
