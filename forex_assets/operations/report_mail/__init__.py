"""The daily report by mail, where the policy asks for it.

In: the report's tables, the policy's `report.mail_at`, the mail server of the settings. Out: one mail on weekdays. Not
here: alerts, which wait in an outbox; the page itself (`report/`).
"""
