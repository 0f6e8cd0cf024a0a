"""Settings from a file and the environment. Imported when one is asked for."""
