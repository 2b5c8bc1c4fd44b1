"""The store of LLM Gateway on Redis 7 or Valkey: one server, sentinels, or a cluster."""

from .stores import ClusterRedisStore, RedisStore, SecureRedisStore, SentinelRedisStore

__version__ = "0.1.0"

__all__ = ["ClusterRedisStore", "RedisStore", "SecureRedisStore", "SentinelRedisStore"]
