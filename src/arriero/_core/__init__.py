"""Decides, never acts: nothing here knows a socket, a clock, a thread or a log."""
