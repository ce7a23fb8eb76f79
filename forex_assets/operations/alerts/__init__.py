"""Alerts: events from the records, an outbox on disk, and delivery to mail, webhook and chat services.

In: Dagster's runs and metadata, deployment records, settings. Out: `<warehouse>/outbox` and messages. `gather` makes
events from plain records, `delivery` decides when a message is due, `apprise_channel` and `mail` send it, `sensors`
runs it all. No table is read here, and no other run depends on a delivery.
"""
