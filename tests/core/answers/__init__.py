"""Answers that are given more than once."""
