"""Alerts: events, an outbox, and delivery to mail, webhook and chat.

In: Dagster's runs and metadata, deployment records, settings. Out: `<warehouse>/outbox` and messages. `gather` makes
events from plain records, `delivery` decides when a message is due, `apprise_channel` and `mail` send it, `sensors`
runs it all. No table is read here, and no other run depends on a delivery.
"""
