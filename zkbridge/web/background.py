"""Blocking work beside the server's loop that never holds up the bridge's end."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar, cast

_T = TypeVar("_T")


async def in_thread(function: Callable[[], _T]) -> _T:
    """Run what may block for long in a thread that never holds up the bridge's end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("_T", result))

    def run() -> None:
        result: _T | None = None
        failure: Exception | None = None
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - a thread's top: handed to the loop
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="web-probe", daemon=True).start()
    return await future
