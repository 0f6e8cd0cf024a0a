"""From what was seen to what is found. Nothing here looks by itself."""
