"""Searches through all events of many days: Parquet made of closed days, asked with DuckDB (the extra `hunt`)."""
