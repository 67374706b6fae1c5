"""Questions about what is stored. Each is answered from summaries and indexes; only `events` opens segments."""
