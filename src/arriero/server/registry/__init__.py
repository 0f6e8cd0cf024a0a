"""What a registry is asked and what its answers mean. Decides, and never acts.

The operations here are generators: they yield a `Request`, are resumed with its `Answer`, or
have a `Lost` thrown into them. `arriero.server.transfer` carries them out.

Source: Ollama v0.33.0-rc2, server/images.go, server/download.go, server/upload.go,
server/auth.go; OCI Distribution Specification 1.1.
"""
