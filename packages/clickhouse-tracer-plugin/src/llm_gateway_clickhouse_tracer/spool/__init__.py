"""Records on disk between the request and ClickHouse: their format, the thread that writes, segments and locks."""
