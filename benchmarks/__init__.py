"""What the client costs, beside the official client and beside the floor; see README.md."""
