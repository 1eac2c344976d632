"""A process of its own that is an MQTT broker: ``python -m zkbridge.demo.broker``.

It listens on a free port of loopback, writes that port as its first line, and ends when its
standard input does, so that it never outlives whoever started it.
"""

import asyncio
import contextlib
import logging
import sys
from typing import Final

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError

_LISTENER: Final = "default"


async def serve() -> None:
    """Serve until standard input ends."""
    # The broker cannot tell which free port it got, so the sockets are opened here.
    broker = Broker(
        BrokerConfig(
            listeners={_LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
    )

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(AMQTTError, OSError):
            await broker.external_connected(
                StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER
            )

    await broker.start()
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    await broker.shutdown()


def main() -> None:
    """Run the broker; what it has to say is for its developers."""
    logging.disable(logging.CRITICAL)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
