"""What is kept: a small index in SQLite or PostgreSQL, and the agents' own batches as segments beside it."""
