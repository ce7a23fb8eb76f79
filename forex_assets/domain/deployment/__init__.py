"""How settings go live, how they are watched, and when they are taken back. Pure: files and git are adapters'."""
