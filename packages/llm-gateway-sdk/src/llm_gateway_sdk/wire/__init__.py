"""Byte-level tools that dialects share: JSON and server-sent events. May import nothing else of the project."""
