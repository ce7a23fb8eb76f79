"""Daily report: one self-contained HTML page in English or Spanish.

In: the tables, through the session. Out: `report/daily.html`. `daily` reads, `page` lays out, `charts` draws,
`words` holds every sentence. No figure is computed here that a table does not hold.
"""
