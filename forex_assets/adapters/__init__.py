"""One outside thing per file: a data service, a disk, a model library. Heavy imports stand inside functions."""
