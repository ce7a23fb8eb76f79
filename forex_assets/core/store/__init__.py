"""Storage: parquet tables, JSON records, atomic file replacement.

In: frames and pydantic models. Out: files under the warehouse, whole or unchanged. Not here: the tables' meaning.
"""
