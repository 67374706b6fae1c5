"""What is served over HTTP: the query API, and the pages that people review with."""
