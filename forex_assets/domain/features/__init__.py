"""Features of the copper price."""
