"""The two drivers: what acts. Threads and tasks differ in meaning, not in spelling, so this
is the one place that is written twice."""
