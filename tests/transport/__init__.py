"""One suite over every transport adapter."""
