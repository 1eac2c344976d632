"""The live feed: nothing is missed, nobody waits, nothing hangs."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tests.web.house import EventReader, House, punch, replaced
from zkbridge.web.feed import Feed, FeedSource

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_punch_arrives_as_it_happens(house: House) -> None:
    with EventReader(house.server.port) as events:
        events.next("state")
        house.add([punch("17", NOON, name="Ana")])

        _, event_id, body = events.next("punch")

    assert (body["user_id"], body["user_name"], body["event_type"]) == ("17", "Ana", "check_in")
    assert event_id == str(body["seq"])


def test_page_that_comes_back_gets_what_it_missed_and_no_more(house: House) -> None:
    seqs = house.add([punch(str(number), NOON + timedelta(seconds=number)) for number in range(5)])

    with EventReader(house.server.port, last_id=seqs[1]) as events:
        missed = [events.next("punch")[1] for _ in range(3)]
        house.add([punch("99", NOON + timedelta(hours=1))])
        following = events.next("punch")[2]

    assert missed == [str(seq) for seq in seqs[2:]]
    assert following["user_id"] == "99"


def test_page_may_say_in_the_address_what_it_has(house: House) -> None:
    seqs = house.add([punch("1", NOON), punch("2", NOON)])

    with EventReader(house.server.port, f"?last_event_id={seqs[0]}") as events:
        assert events.next("punch")[1] == str(seqs[1])


def test_page_that_was_away_for_long_starts_anew(house: House) -> None:
    seqs = house.add(
        [punch(str(number), NOON + timedelta(seconds=number)) for number in range(600)]
    )

    with EventReader(house.server.port, last_id=1) as events:
        name, _, body = events.next()

    assert (name, body) == ("reset", {"seq": seqs[-1]})


def test_page_of_an_older_store_starts_anew(house: House) -> None:
    with EventReader(house.server.port, last_id=10_000) as events:
        assert events.next()[0] == "reset"


def test_first_page_after_a_pause_gets_only_new_punches(house: House) -> None:
    with EventReader(house.server.port) as events:
        events.next("state")
    house.add([punch("1", NOON)])

    with EventReader(house.server.port) as events:
        events.next("state")
        house.add([punch("2", NOON)])
        assert events.next("punch")[2]["user_id"] == "2"


def test_states_are_told_when_they_change(house: House) -> None:
    with EventReader(house.server.port) as events:
        events.next("state")
        house.set_view("AAA001", online=False)

        state = events.next("state")[2]

    online = {terminal["id"]: terminal["online"] for terminal in state["terminals"]}
    assert online == {"front_door": False, "warehouse": True}
    assert state["terminals_online"] == 1


def test_lost_broker_is_told_without_any_event(house: House) -> None:
    with EventReader(house.server.port) as events:
        assert events.next("state")[2]["broker"]["connected"]
        replaced(house, broker_connected=False, broker_error="connection refused")

        state = events.next("state")[2]

    assert state["status"] == "error"
    assert "connection refused" in state["problems"][0]["text"]


def test_stopping_ends_open_streams(house: House) -> None:
    with EventReader(house.server.port) as events:
        events.next("state")
        house.server.stop()

        assert house.server.join(10)


class Memory:
    """A source in memory, to drive the feed without a clock."""

    def __init__(self) -> None:
        self.punches: list[int] = []

    def source(self) -> FeedSource:
        async def newest() -> int:
            return max(self.punches, default=0)

        async def since(seq: int, limit: int) -> Sequence[tuple[int, Mapping[str, object]]]:
            return [(one, {"seq": one}) for one in self.punches if one > seq][:limit]

        async def snapshot() -> Mapping[str, object]:
            return {}

        return FeedSource(newest=newest, since=since, snapshot=snapshot)


def test_quiet_stream_gives_signs_of_life() -> None:
    async def run() -> list[bytes]:
        stream = Feed(Memory().source(), heartbeat_s=0.01).stream(None)
        texts = [await anext(stream) for _ in range(3)]
        await stream.aclose()
        return texts

    assert asyncio.run(run())[1:] == [b": still here\n\n"] * 2


def test_page_that_reads_nothing_is_let_go() -> None:
    async def run() -> tuple[int, int]:
        memory = Memory()
        feed = Feed(memory.source())
        stream = feed.stream(None)
        await anext(stream)
        before = feed.pages
        feeding = asyncio.create_task(feed.run())
        while feed.pages:
            memory.punches.append(len(memory.punches) + 1)
            feed.wake()
            await asyncio.sleep(0)
            await feed.advance()
        feed.close()
        await feeding
        texts = [text async for text in stream]
        return before, len(texts)

    before, received = asyncio.run(run())

    assert before == 1
    assert received < 100


def test_one_text_serves_all_pages() -> None:
    async def run() -> list[bytes]:
        memory = Memory()
        feed = Feed(memory.source())
        streams = [feed.stream(None) for _ in range(50)]
        for stream in streams:
            await anext(stream)
        memory.punches.append(1)
        await feed.advance()
        texts = [await anext(stream) for stream in streams]
        for stream in streams:
            await stream.aclose()
        return texts

    texts = asyncio.run(run())

    assert len({id(text) for text in texts}) == 1
    assert texts[0].startswith(b'id: 1\nevent: punch\ndata: {"seq":1}\n\n')


def test_page_knows_where_it_stands_before_the_first_punch(house: House) -> None:
    seqs = house.add([punch("1", NOON)])

    with EventReader(house.server.port) as events:
        _, event_id, _ = events.next("state")

    assert event_id == str(seqs[-1])


def test_flood_becomes_one_order_to_read_anew() -> None:
    async def run() -> list[bytes]:
        memory = Memory()
        feed = Feed(memory.source(), flood_s=0.0)
        stream = feed.stream(None)
        await anext(stream)
        memory.punches += range(1, 5001)
        await feed.advance()
        memory.punches.append(5001)
        await feed.advance()
        texts = [await anext(stream), await anext(stream)]
        await stream.aclose()
        return texts

    flood, after = asyncio.run(run())

    assert flood.startswith(b'id: 5000\nevent: reset\ndata: {"seq":5000}\n\n')
    assert b"event: punch" not in flood
    assert after.startswith(b"id: 5001\nevent: punch\n")


def test_pages_rest_while_the_flood_lasts() -> None:
    async def run() -> tuple[list[bytes], int]:
        memory = Memory()
        feed = Feed(memory.source(), flood_s=1000.0, heartbeat_s=0.01)
        stream = feed.stream(None)
        await anext(stream)
        for first in range(1, 5001, 1000):
            memory.punches += range(first, first + 1000)
            await feed.advance()
        texts = [await anext(stream) for _ in range(2)]
        await stream.aclose()
        return texts, len(memory.punches)

    texts, count = asyncio.run(run())

    assert count == 5000
    assert not [text for text in texts if b"punch" in text or b"reset" in text]
