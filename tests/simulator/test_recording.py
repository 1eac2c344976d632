"""Recordings: written, read, refused, and served as a terminal."""

from io import StringIO
from pathlib import Path
from struct import pack

import pytest

from tests.simulator.raw import PUNCHES, USERS, RawClient
from tests.simulator.vectors import vectors
from zkbridge.simulator import (
    RecordedPacket,
    Recording,
    RecordingError,
    RecordingWriter,
    ReplayedTerminal,
    SimulatedTerminal,
    read_recording,
    write_recording,
)
from zkbridge.simulator.recording import parse_recording
from zkbridge.zk.framing import build_packet

HEADER = '{"format": "zkbridge-recording", "version": 1, "transport": "tcp"}\n'


def record(terminal: SimulatedTerminal, transport: str = "tcp") -> Recording:
    """A session that reads everything, as a capturing client would write it."""
    packets: list[RecordedPacket] = []
    with RawClient(terminal, "tcp" if transport == "tcp" else "udp") as client:

        def ask(command: int, data: bytes = b"") -> None:
            client.send(command, data)
            packets.append(
                RecordedPacket(">", build_packet(command, data, client.session, client.number))
            )
            while True:
                frame = client.receive()
                packets.append(
                    RecordedPacket(
                        "<", build_packet(frame.cmd, frame.data, frame.session, frame.reply)
                    )
                )
                if command == 1000:
                    client.session = frame.session
                if frame.cmd not in {1500, 1501} or command == 1503:
                    return

        ask(1000)
        ask(11, b"~SerialNumber\0")
        ask(201)
        ask(50)
        ask(1503, pack("<bhii", 1, *USERS, 0))
        ask(1503, pack("<bhii", 1, *PUNCHES, 0))
        for start in range(0, 4004, 1001):
            ask(1504, pack("<ii", start, 1001))
        ask(1502)
        ask(500, pack("<I", 1))
        terminal.punch("1001")
        event = client.receive()
        packets.append(RecordedPacket("<", build_packet(500, event.data, event.session, 0)))
        ask(50)
        ask(1001)
    return Recording(tuple(packets), "tcp" if transport == "tcp" else "udp", {"note": "a test"})


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_replay_answers_as_the_terminal_did(
    transport: str, terminal: SimulatedTerminal, tmp_path: Path
) -> None:
    terminal.behave(max_data_tcp=300)
    users, punches = b"", terminal.punch_bytes
    with RawClient(terminal) as direct:
        direct.connect()
        users = direct.table(USERS)
    path = tmp_path / "session.jsonl"
    write_recording(path, record(terminal, transport))

    with (
        ReplayedTerminal(read_recording(path)) as replayed,
        RawClient(replayed, "tcp" if transport == "tcp" else "udp") as client,
    ):
        assert client.connect().cmd == 2000
        assert client.ask(11, b"~SerialNumber\0").data == b"~SerialNumber=SIM0000000001\0"
        assert client.table(PUNCHES, 1001) == pack("<I", 4000) + punches
        assert client.table(USERS) == users
        assert client.ask(50).data[32:36] == pack("<I", 100)
        assert client.ask(500, pack("<I", 1)).cmd == 2000
        assert client.receive().cmd == 500
        assert [client.ask(50).data[32:36] for _ in range(2)] == [pack("<I", 101)] * 2
        assert client.ask(1001).cmd == 2000
        assert replayed.unmatched == []


def test_chunks_of_other_sizes_are_cut_out_of_the_recorded_ones(
    terminal: SimulatedTerminal,
) -> None:
    with ReplayedTerminal(record(terminal)) as replayed, RawClient(replayed) as client:
        client.connect()

        assert client.table(PUNCHES, 700)[4:] == terminal.punch_bytes[:-40]
        client.prepare(PUNCHES)
        assert client.chunk(3004, 80)[1].data == terminal.punch_bytes[3000:3080]
        assert client.chunk(4000, 400)[0].cmd == 0xFFFF


def test_what_was_not_recorded_is_unknown(terminal: SimulatedTerminal) -> None:
    with ReplayedTerminal(record(terminal)) as replayed, RawClient(replayed) as client:
        client.connect()

        assert client.ask(11, b"~OS\0").cmd == 0xFFFF
        assert replayed.unmatched == [(11, b"~OS\0")]


def test_published_conversation_can_be_replayed() -> None:
    (vector,) = vectors("conversation")
    packets = tuple(
        RecordedPacket(">" if step["from"] == "client" else "<", bytes.fromhex(step["hex"])[8:])
        for step in vector["input"]["steps"]
    )
    with ReplayedTerminal(Recording(packets)) as replayed, RawClient(replayed) as client:
        blob = client.table(PUNCHES, 200)

    assert blob.hex() == vector["expect"]["table_hex"]


def test_written_recording_reads_back(tmp_path: Path) -> None:
    recording = Recording(
        (RecordedPacket(">", bytes(8), 0.25), RecordedPacket("<", bytes(9), 1.5)),
        "udp",
        {"note": "Übung"},
    )
    path = tmp_path / "session.jsonl"

    write_recording(path, recording)

    again = read_recording(path)
    assert (again.packets, again.transport) == (recording.packets, "udp")
    assert again.header["note"] == "Übung"


def test_lines_have_the_documented_form() -> None:
    stream = StringIO()
    writer = RecordingWriter(stream, "tcp", software="a test")
    writer.add(">", bytes.fromhex("e80317fc00000000"), 0.0123456789)

    assert stream.getvalue().splitlines() == [
        '{"format": "zkbridge-recording", "version": 1, "transport": "tcp", "software": "a test"}',
        '{"dir": ">", "at": 0.012346, "packet": "e80317fc00000000"}',
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not the header"),
        ("{}", "not the header"),
        ("[]", "line 1 is not an object"),
        ("nonsense", "line 1 is not JSON"),
        ("[" * 100_000, "line 1 is not JSON"),
        (HEADER.replace(" 1", " 2"), "version 2"),
        (HEADER.replace("tcp", "serial"), "neither tcp nor udp"),
        (HEADER + '{"dir": "x", "packet": ""}', "line 2: dir 'x'"),
        (HEADER + '{"dir": ">"}', "line 2 holds no packet"),
        (HEADER + '{"dir": ">", "packet": "zz"}', "line 2: the packet is not hexadecimal"),
        (HEADER + '{"dir": ">", "packet": "e803"}', "line 2: no packet has 2 bytes"),
        (HEADER + '{"dir": ">", "packet": "' + "00" * ((1 << 20) + 1) + '"}', "no packet has"),
    ],
)
def test_broken_recording_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        parse_recording(text.splitlines())


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")

    with pytest.raises(RecordingError, match="not a text file"):
        read_recording(path)
