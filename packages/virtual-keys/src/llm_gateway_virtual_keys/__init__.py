"""API keys that are made, rotated and revoked while the gateway runs."""

from .keyring import Keyring, Minted
from .keys import KeyRecord, KeyState, parse_key
from .plugin import VirtualKeys

__version__ = "0.1.0"

__all__ = ["KeyRecord", "KeyState", "Keyring", "Minted", "VirtualKeys", "parse_key"]
