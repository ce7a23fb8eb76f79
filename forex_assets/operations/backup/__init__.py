"""Backups: dated archives, verified and restored.

In: the folders of warehouse, configs and Dagster. Out: `<warehouse>/backups` or `FOREX_BACKUPS`. `archive` writes and
verifies, `restore` puts back, `backup` knows the platform's folders, `jobs` runs the nightly one. The deployer's config
backups are not here: see `deployment.config_backups`.
"""
