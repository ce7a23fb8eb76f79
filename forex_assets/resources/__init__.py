"""Settings and the objects that assets are handed."""
