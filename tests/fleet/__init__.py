"""What the collector's tests are made of: a PostgreSQL of their own, hosts that send, and collectors to kill."""
