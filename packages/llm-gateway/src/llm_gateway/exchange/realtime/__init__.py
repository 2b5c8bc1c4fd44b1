"""Realtime sessions: events over WebSocket in both directions, between a client and a provider of the same API."""
