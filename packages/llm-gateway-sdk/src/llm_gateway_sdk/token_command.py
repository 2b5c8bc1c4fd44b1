"""`tokenCommand`: a program that prints a provider's credential, as command lines of clouds have one."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import shutil
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .credentials import Token, expiry_of_jwt
from .wire import json

__all__ = ["TokenCommand", "read_token"]

_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_MAX_OUTPUT = 64 * 1024
_TOKEN_KEYS = ("access_token", "accessToken", "token", "id_token")
_EXPIRY_KEYS = ("expires_on", "expiresOn", "expires_at", "expiresAt", "expiry", "expirationTimestamp", "Expiration")
_LIFETIME_KEYS = ("expires_in", "expiresIn")


class TokenCommand:
    """Calls a program, without a shell. `written` is its arguments, or one text that is split as a shell would."""

    def __init__(self, written: str | Sequence[str], lifetime: float | None = None) -> None:
        self.arguments = shlex.split(written) if isinstance(written, str) else [str(part) for part in written]
        if not self.arguments:
            raise ValueError("tokenCommand is empty")
        self._lifetime = lifetime

    def problem(self) -> str | None:
        """Why it can't be called; None where it can."""
        program = self.arguments[0]
        return None if shutil.which(program) else f"there is no program '{program}'"

    async def __call__(self) -> Token:
        """Raises OSError or ValueError. What the program printed is in no message."""
        process = await asyncio.create_subprocess_exec(
            *self.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            output = await process.stdout.read(_MAX_OUTPUT)
            status = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if status != 0:
            raise ValueError(f"'{self.arguments[0]}' ended with status {status}")
        return read_token(output, self._lifetime)


def read_token(output: bytes, lifetime: float | None = None) -> Token:
    """The token that a program printed: as it is, or in a JSON object, with its end where that is given. `lifetime`, in
    seconds, is for a token that does not say when it ends. Raises ValueError."""
    text = output.decode("utf-8", "replace").strip()
    fixed = None if lifetime is None else time.time() + lifetime
    if not text.startswith("{"):
        if not text or any(character.isspace() for character in text):
            raise ValueError("the program printed neither a token nor a JSON object")
        return Token(text, expiry_of_jwt(text) or fixed)
    try:
        printed = json.loads(text)
    except ValueError:
        raise ValueError("the program printed JSON that can't be read") from None
    if isinstance(printed.get("status"), dict):
        printed = printed["status"]  # ExecCredential, as kubectl's helpers print it
    value = next((printed[key] for key in _TOKEN_KEYS if isinstance(printed.get(key), str)), None)
    if not value:
        raise ValueError(f"the program's JSON has no token (one of {', '.join(_TOKEN_KEYS)})")
    return Token(value, _expiry(printed) or expiry_of_jwt(value) or fixed)


def _expiry(printed: dict[str, Any]) -> float | None:
    for key in _LIFETIME_KEYS:
        if (seconds := _number(printed.get(key))) is not None:
            return time.time() + seconds
    for key in _EXPIRY_KEYS:
        written = printed.get(key)
        if (seconds := _number(written)) is not None:
            return seconds
        if isinstance(written, str):
            try:
                # Without a zone it is the local time, as Azure's command line prints it.
                return datetime.fromisoformat(written).timestamp()
            except ValueError:
                continue
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()) is not None:
        return float(value)
    return float(value) if isinstance(value, int | float) else None
