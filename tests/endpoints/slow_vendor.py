"""A vendor of audio that counts what it is sent and keeps none of it."""

from __future__ import annotations

import asyncio
import hashlib
import threading

__all__ = ["SlowVendor"]


class SlowVendor:
    """`mode`: `take` reads all and answers, `refuse` answers before it has read
    all, `send` answers with a large body."""

    def __init__(self) -> None:
        self.mode = "take"
        self.received = 0
        self.heads: list[str] = []
        self.digest = ""
        self.left = threading.Event()
        """The other side has closed a connection before its request was whole."""
        self.began = threading.Event()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                self.began.set()
                await self._answer(head.lower(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            body = b'{"error": {"message": "no such key", "type": "invalid_request_error", "code": "invalid_api_key"}}'
            writer.write(
                b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)
            await writer.drain()
            await asyncio.sleep(0.2)
            raise ConnectionError
        found = hashlib.sha256()
        if "transfer-encoding: chunked" in head:
            while size := int(await reader.readline(), 16):
                self._take(found, await reader.readexactly(size))
                await reader.readline()
            await reader.readline()
        else:
            left = int(head.partition("content-length:")[2].split()[0])
            while left:
                data = await reader.read(min(left, 1 << 18))
                if not data:
                    raise ConnectionError
                left -= len(data)
                self._take(found, data)
        self.digest = found.hexdigest()
        if self.mode == "send":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: %d\r\n\r\n" % (500 << 20))
            for _ in range(500):
                writer.write(bytes(1 << 20))
                await writer.drain()
            return
        body = b'{"text": "what was said", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45}}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()

    def _take(self, found: hashlib._Hash, data: bytes) -> None:
        self.received += len(data)
        found.update(data)
