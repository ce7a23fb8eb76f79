"""Price sources: Yahoo, Banco Central de Chile, FRED.

In: HTTP answers. Out: dated rows (`fetched_schema`), or a `SourceError` with the reason. Not here: fallback between
sources and stored history.
"""
