"""Stores that come with the gateway: in memory, and in a SQLite file."""
