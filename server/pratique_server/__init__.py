"""The collector: ingest, store and review (not built yet; see CHANGELOG)."""
