"""From the spool to ClickHouse, aside from requests: frames become rows, and rows are sent until they are accepted."""
