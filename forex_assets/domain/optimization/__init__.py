"""Which settings are tried, which is the best of them, and whether it beats what is live by more than chance. Pure."""
