"""What the connections of one server share."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any, cast

from llm_gateway.server.http1.door import Door, Limits
from llm_gateway.server.uploads import UploadPool


def made(loop: asyncio.AbstractEventLoop) -> Door:
    return Door(cast("Any", None), loop, limits=Limits(), uploads=UploadPool(100, 10), slow_readers=set())


def test_the_date_of_replies_is_current_and_written_once_a_second() -> None:
    async def main() -> tuple[bytes, bytes]:
        door = made(asyncio.get_running_loop())
        first = door.date_line
        try:
            await asyncio.sleep(1.1)
            return first, door.date_line
        finally:
            door.close()

    first, second = asyncio.run(main())

    assert first.startswith(b"date: ")
    assert first.endswith(b" GMT\r\n")
    dates = [parsedate_to_datetime(line[6:-2].decode()) for line in (first, second)]
    assert dates[0] < dates[1]


def test_a_closed_door_leaves_no_timer() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        door = made(loop)
        door.close()
        door.close()
        line = door.date_line
        await asyncio.sleep(1.1)
        assert door.date_line is line

    asyncio.run(main())


def test_limits_may_change_while_it_serves() -> None:
    async def main() -> None:
        door = made(asyncio.get_running_loop())
        door.limits = Limits(body_bytes=1)
        assert door.limits.head_bytes == Limits().head_bytes
        door.close()

    asyncio.run(main())
