"""Arguments into calls, one module a resource. What is wrong with them is said here."""
