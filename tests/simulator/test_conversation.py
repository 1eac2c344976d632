"""A published conversation, frame by frame, from the terminal's side."""

from tests.simulator.vectors import vectors
from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.memory import Memory, WallClock, host_clock
from zkbridge.simulator.terminal import Link, Terminal
from zkbridge.zk.framing import build_packet, build_tcp, parse_frame


def test_terminal_answers_the_published_conversation_byte_for_byte() -> None:
    (vector,) = vectors("conversation")
    steps = vector["input"]["steps"]
    behaviour = Behaviour(inline_limit=0, max_data_tcp=100)
    memory = Memory(behaviour, {}, WallClock(host_clock))
    memory.punches.append(bytes.fromhex(vector["expect"]["table_hex"])[4:])
    terminal = Terminal(memory)
    first = parse_frame(bytes.fromhex(steps[0]["hex"]))[0]
    link = Link("tcp", session=first.session, open=True)

    spoken: list[str] = []
    for step in steps:
        if step["from"] == "client":
            spoken.append(step["hex"])
            packets = terminal.answer(link, bytes.fromhex(step["hex"])[8:])
            spoken.extend(build_tcp(packet).hex() for packet in packets)

    assert spoken == [step["hex"] for step in steps]


def test_connect_is_answered_as_captured_from_a_k40() -> None:
    (asked,) = vectors("tcp_frame", "cap-k40-connect-ack")
    (ask,) = [one for one in vectors("tcp_frame", "cap-k40-connect") if one is not asked]
    memory = Memory(Behaviour(), {}, WallClock(host_clock))
    terminal = Terminal(memory, first_session=asked["expect"]["session_field"])

    answer = terminal.answer(Link("tcp"), bytes.fromhex(ask["input"]["hex"])[8:])

    assert [build_tcp(one).hex() for one in answer] == [asked["input"]["hex"]]


def test_option_is_answered_as_captured() -> None:
    (asked,) = vectors("tcp_frame", "cap-frame-opt-platform-req")
    (answered,) = vectors("tcp_frame", "cap-frame-opt-platform-reply")
    memory = Memory(Behaviour(), {"~Platform": "ZEM760_TFT"}, WallClock(host_clock))
    link = Link("tcp", session=asked["expect"]["session_field"], open=True)

    answer = Terminal(memory).answer(link, bytes.fromhex(asked["input"]["hex"])[8:])

    assert [build_tcp(one).hex() for one in answer] == [answered["input"]["hex"]]


def test_state_takes_the_place_of_the_session_as_captured() -> None:
    (vector,) = vectors("tcp_frame", "cap-frame-state-reply")
    expect = vector["expect"]
    memory = Memory(Behaviour(), {}, WallClock(host_clock))
    memory.state = expect["device_state"]
    link = Link("tcp", session=0x1234, open=True)

    answer = Terminal(memory).answer(link, build_packet(64, b"", link.session, expect["reply"]))

    assert [build_tcp(one).hex() for one in answer] == [vector["input"]["hex"]]
