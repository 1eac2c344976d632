"""pyzk as a judge: a client of other people, used as a black box, understands the simulator.

Where pyzk is known to misread captured records (8 and 16 bytes: protocol.md 16) the captures
win, and are tested instead.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from zk import ZK

from zkbridge.simulator import SimulatedPunch, SimulatedTerminal, faults, pack_time

NOW = datetime(2026, 11, 22, 15, 30, 7, tzinfo=UTC)
TEMPLATES = {0: b"\x4d\xfdSS21" + b"\x01\x02\x03" * 300, 7: b"\x4d\xfdSS21" + b"\x09" * 500}

# pyzk leaves the socket of its reachability probe to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=["tcp", "udp"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    with SimulatedTerminal(timezone=UTC, clock=lambda: NOW) as running:
        running.add_user("1001", "Jürgen Weiß", privilege=14, password="1234", templates=TEMPLATES)
        running.add_user("1002", "Ana", card=3735928559, group=5)
        yield running


@contextmanager
def pyzk(terminal: SimulatedTerminal, transport: str, password: int = 0) -> Iterator[Any]:
    client = ZK(
        terminal.host,
        port=terminal.port,
        timeout=10,
        password=password,
        force_udp=transport == "udp",
        ommit_ping=True,
    )
    connection = client.connect()
    try:
        yield connection
    finally:
        connection.disconnect()


@pytest.mark.parametrize("key", [0, 1, 123456])
def test_pyzk_connects_with_its_key(key: int, transport: str) -> None:
    with SimulatedTerminal(comm_key=key) as terminal, pyzk(terminal, transport, key) as client:
        assert client.get_serialnumber() == "SIM0000000001"
        assert client.get_firmware_version() == "Ver 6.60 Apr 28 2017"
        assert client.get_platform() == "ZMM220_TFT"
        assert client.get_mac() == "00:17:61:00:00:01"


def test_pyzk_is_refused_with_a_wrong_key(transport: str) -> None:
    with (
        SimulatedTerminal(comm_key=5) as terminal,
        pytest.raises(Exception, match=r"(?i)unauth"),
        pyzk(terminal, transport, 6),
    ):
        pass


def test_pyzk_reads_users(terminal: SimulatedTerminal, transport: str) -> None:
    with pyzk(terminal, transport) as client:
        users = client.get_users()

    assert [
        (user.uid, user.user_id, user.name, user.privilege, user.password, user.card)
        for user in users
    ] == [
        (1, "1001", "Jürgen Weiß", 14, "1234", 0),
        (2, "1002", "Ana", 0, "", 3735928559),
    ]


def test_pyzk_reads_short_users_over_udp(terminal: SimulatedTerminal) -> None:
    terminal.behave(user_size=28, inline_limit=0)
    terminal.add_users([])
    with pyzk(terminal, "udp") as client:
        users = client.get_users()

    assert [(user.uid, user.user_id, user.privilege, user.group_id) for user in users] == [
        (1, "1001", 14, "1"),
        (2, "1002", 0, "5"),
    ]


@pytest.mark.parametrize("count", [0, 1, 20, 5000])
def test_pyzk_reads_40_byte_attendance(
    count: int, terminal: SimulatedTerminal, transport: str
) -> None:
    wall = datetime.fromisoformat("2026-11-01T08:00:00")
    terminal.load_punches(
        SimulatedPunch("1001", pack_time(wall) + index, index % 16, index % 6)
        for index in range(count)
    )

    with pyzk(terminal, transport) as client:
        records = client.get_attendance()

    assert [(one.user_id, one.status, one.punch) for one in records] == [
        ("1001", index % 16, index % 6) for index in range(count)
    ]
    if records:
        assert records[0].timestamp == wall


def test_pyzk_reads_several_data_frames_per_chunk(terminal: SimulatedTerminal) -> None:
    # pyzk takes one recv for one frame (protocol.md 16), so that frames must arrive apart.
    terminal.behave(max_data_tcp=1008)
    terminal.inject(faults.Separate(0.05), 1504)
    terminal.load_punches(SimulatedPunch("1002", 864287883 + index) for index in range(150))

    with pyzk(terminal, "tcp") as client:
        records = client.get_attendance()

    assert terminal.faults_hit == 1
    assert [one.user_id for one in records] == ["1002"] * 150


def test_pyzk_reads_the_clock_and_the_sizes(terminal: SimulatedTerminal, transport: str) -> None:
    terminal.set_clock(61)
    terminal.punch("1001")
    with pyzk(terminal, transport) as client:
        assert client.get_time() == datetime.fromisoformat("2026-11-22T15:31:08")
        client.read_sizes()
        assert (client.users, client.fingers, client.records) == (2, 2, 1)
        assert (client.users_cap, client.fingers_cap, client.rec_cap) == (10_000, 3_000, 200_000)
        assert (client.users_av, client.fingers_av, client.rec_av) == (9_998, 2_998, 199_999)


def test_pyzk_reads_templates(terminal: SimulatedTerminal, transport: str) -> None:
    with pyzk(terminal, transport) as client:
        templates = client.get_templates()
        single = client.get_user_template(uid=1, temp_id=7)

    assert [(one.uid, one.fid, one.valid, one.template) for one in templates] == [
        (1, 0, 1, TEMPLATES[0]),
        (1, 7, 1, TEMPLATES[7]),
    ]
    assert single.template == TEMPLATES[7]


@pytest.mark.parametrize("size", [12, 32, 52])
def test_pyzk_receives_live_punches(size: int, terminal: SimulatedTerminal, transport: str) -> None:
    terminal.add_user("77", "Short", uid=77)
    terminal.behave(event_size=size)
    with pyzk(terminal, transport) as client:
        arrived = threading.Event()
        received: list[Any] = []

        def listen() -> None:
            for punch in client.live_capture(new_timeout=10):
                if punch is not None:
                    received.append(punch)
                    client.end_live_capture = True
                    arrived.set()

        listener = threading.Thread(target=listen)
        listener.start()
        assert terminal.wait_for(lambda: terminal.registered == 1)
        terminal.punch("77", 4, 1)
        assert arrived.wait(10)
        listener.join(20)

        assert [(one.user_id, one.status, one.punch) for one in received] == [("77", 4, 1)]
        assert received[0].timestamp == NOW.replace(tzinfo=None)
        assert terminal.acknowledged == 1


def test_pyzk_reads_the_same_from_a_slow_terminal(terminal: SimulatedTerminal) -> None:
    terminal.behave(latency_s=0.005)
    terminal.load_punches(SimulatedPunch("1002", 864287883 + index) for index in range(2000))

    with pyzk(terminal, "tcp") as client:
        assert len(client.get_attendance()) == 2000
