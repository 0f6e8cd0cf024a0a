"""The suite; its rooms mirror the package."""
