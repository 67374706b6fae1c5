"""What pages ask beyond the questions of the query API: bounded, by index, newest first."""
