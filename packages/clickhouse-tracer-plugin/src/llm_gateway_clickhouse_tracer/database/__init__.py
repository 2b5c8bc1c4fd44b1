"""ClickHouse: the client that all else uses, and the table with its upgrades."""
