"""The code locations: lists only."""
