"""Certificates of a client, read again when their files change: renewed ones are used by connections opened from then
on, without a restart or a reload."""

from __future__ import annotations

import logging
import os
import ssl

from llm_gateway_sdk.errors import ModelConnectionError

from .settings import TransportSettings, build_ssl_context

__all__ = ["TlsContext"]

log = logging.getLogger("llm_gateway.transport")

_Stamp = tuple[tuple[int, int, int] | None, ...]


class TlsContext:
    """The TLS context for settings with certificate files, or for the system's authorities."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        cert = settings.client_cert
        pair = (cert,) if isinstance(cert, str) else cert or ()
        self._files = tuple(file for file in (settings.ca_file, *pair) if file)
        self._stamp: _Stamp = ()
        self._context: ssl.SSLContext | None = None

    def current(self) -> ssl.SSLContext:
        """The context of the files as they are now. Where they can't be used, the former one goes on.

        Raises ModelConnectionError where there is none.
        """
        stamp = tuple(map(_stamp_of, self._files))
        if self._context is not None and stamp == self._stamp:
            return self._context
        try:
            self._context = build_ssl_context(self._settings)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            log.error("the certificate files %s can't be used: %s", ", ".join(self._files), error)
            if self._context is None:
                raise ModelConnectionError(
                    "The gateway can't open a TLS connection as it is configured; its log has the cause."
                ) from None
        self._stamp = stamp
        return self._context


def _stamp_of(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
