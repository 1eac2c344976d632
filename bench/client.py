"""The client beside pyzk and beside a bare socket making the same round trips, in one run.

``python -m bench.client [--quick]``; medians, and ratios to the bare socket. pyzk's table parser
is quadratic, so it gets one repetition of what takes it seconds.
"""

import argparse
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from struct import Struct
from time import monotonic_ns, perf_counter
from typing import Any

from zk import ZK

from bench.raw_socket import RawSocket
from bench.results import write_section
from bench.terminal import TerminalProcess, punches
from zkbridge.simulator.records import punch_record
from zkbridge.zk import Frame, LogCursor, TcpTransport, ZKDevice
from zkbridge.zk.codecs import ATTLOG_40
from zkbridge.zk.logs import PunchDecoder
from zkbridge.zk.opcodes import CMD_CONNECT, CMD_EXIT, CMD_REG_EVENT

LOG = 100_000
_PIECE = 40 * 1600
_RECORDS_IN_ALL = 200_000
Row = dict[str, float | int | None]
Asked = list[tuple[int, bytes]]


def seconds(action: Callable[[], object], repetitions: int) -> float:
    """Median time of an action."""
    times = []
    for _ in range(repetitions):
        started = perf_counter()
        action()
        times.append(perf_counter() - started)
    return median(times)


class Noting(TcpTransport):
    """A transport that notes what is asked, for the bare socket to ask the same."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.asked: Asked = []

    def capture(self, command: int, data: bytes = b"") -> list[Frame]:
        """Note and pass on."""
        self._note(command, data)
        return super().capture(command, data)

    def stream(self, command: int, data: bytes = b"") -> Iterator[Frame]:
        """Note and pass on."""
        self._note(command, data)
        return super().stream(command, data)

    def _note(self, command: int, data: bytes) -> None:
        if command not in {CMD_CONNECT, CMD_EXIT}:
            self.asked.append((command, data))


def round_trips(port: int, action: Callable[[ZKDevice], object]) -> tuple[Asked, Asked]:
    """What a session asks until it is open, and with an action."""
    transport = Noting(port)
    with ZKDevice("127.0.0.1", transport=transport) as device:
        opening = len(transport.asked)
        action(device)
    return transport.asked[:opening], transport.asked


def ask_all(port: int, asked: Asked) -> None:
    """Make these round trips on a bare socket."""
    with RawSocket(port) as raw:
        for command, data in asked:
            raw.ask(command, data)


def ours_session(port: int, action: Callable[[ZKDevice], object]) -> None:
    """Make a session and do something in it."""
    with ZKDevice("127.0.0.1", port, kind="tcp") as device:
        action(device)


def pyzk_session(port: int, action: Callable[[Any], object]) -> None:
    """Make a session of pyzk's and do something in it."""
    connection = ZK("127.0.0.1", port=port, timeout=60, ommit_ping=True).connect()
    try:
        action(connection)
    finally:
        connection.disconnect()


def pyzk_info(connection: Any) -> None:  # noqa: ANN401  pyzk is untyped
    """Ask with pyzk what our device info tells."""
    connection.get_serialnumber()
    connection.get_firmware_version()
    connection.get_platform()
    connection.get_device_name()
    connection.get_mac()
    connection.get_fp_version()
    connection.get_face_version()
    connection.get_pin_width()
    connection.read_sizes()


def compare(raw: float, ours: float, pyzk: float | None, **more: float | int | None) -> Row:
    """One line of the table, in milliseconds."""
    row: Row = {
        "raw_ms": raw * 1e3,
        "ours_ms": ours * 1e3,
        "pyzk_ms": pyzk * 1e3 if pyzk is not None else None,
        "ours_to_raw": ours / raw,
    }
    return row | more


def connect_and_info(latency_s: float, repetitions: int) -> Row:
    """Connect, device info, disconnect."""
    with TerminalProcess(1000, latency_s=latency_s) as terminal:
        port = terminal.port
        _, asked = round_trips(port, ZKDevice.device_info)
        terminal.ask("reset")
        device = ZKDevice("127.0.0.1", port, kind="tcp")
        device.open()
        device.device_info()
        first = terminal.ask("requests")
        device.close()
        terminal.ask("reset")
        device.open()
        device.device_info()
        again = terminal.ask("requests")
        device.close()
        raw, ours = interleaved(
            lambda: ask_all(port, asked),
            lambda: ours_session(port, ZKDevice.device_info),
            repetitions,
        )
        pyzk = seconds(lambda: pyzk_session(port, pyzk_info), max(3, repetitions // 4))
    return compare(raw, ours, pyzk, round_trips_first=first, round_trips_again=again)


def interleaved(
    one: Callable[[], object], other: Callable[[], object], repetitions: int
) -> tuple[float, float]:
    """Medians of two actions taken in turn, so that a busy machine slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repetitions):
        for action, taken in zip((one, other), times, strict=True):
            taken.append(seconds(action, 1))
    return median(times[0]), median(times[1])


def full_read(repetitions: int, *, pyzk: bool, **behaviour: float) -> Row:
    """Read the whole log within an open session."""
    first_ms: list[float] = []

    def read(device: ZKDevice) -> None:
        started = perf_counter()
        rows = device.attendance()
        next(rows)
        first_ms.append((perf_counter() - started) * 1e3)
        if sum(1 for _ in rows) != LOG - 1:
            raise RuntimeError("records are missing")

    with TerminalProcess(LOG, **behaviour) as terminal:
        opening, asked = round_trips(terminal.port, lambda device: list(device.attendance()))
        with (
            RawSocket(terminal.port) as raw,
            ZKDevice("127.0.0.1", terminal.port, kind="tcp") as device,
        ):
            for command, data in opening:
                raw.ask(command, data)

            def ask() -> None:
                for command, data in asked[len(opening) :]:
                    if command != CMD_EXIT and not data.startswith(b"SDKBuild"):
                        raw.ask(command, data)

            raw_s, ours_s = interleaved(ask, lambda: read(device), repetitions)
        pyzk_s = None
        if pyzk:

            def pyzk_read(connection: Any) -> None:  # noqa: ANN401  pyzk is untyped
                if len(connection.get_attendance()) != LOG:
                    raise RuntimeError("pyzk misses records")

            pyzk_s = seconds(lambda: pyzk_session(terminal.port, pyzk_read), 1)
    return compare(raw_s, ours_s, pyzk_s, ours_first_record_ms=median(first_ms))


def plain_pass(records: bytes) -> list[tuple[str, datetime, int, int]]:
    """Decode as simply as Python can: one loop, tuples, nothing checked."""
    rows = []
    for _, user_id, status, packed, punch in Struct("<H24sBIB8x").iter_unpack(records):
        rest, second = divmod(packed, 60)
        rest, minute = divmod(rest, 60)
        rest, hour = divmod(rest, 24)
        rest, day = divmod(rest, 31)
        year, month = divmod(rest, 12)
        moment = datetime(year + 2000, month + 1, day + 1, hour, minute, second)  # noqa: DTZ001  wall clock
        rows.append((user_id.split(b"\0", 1)[0].decode(), moment, status, punch))
    return rows


def decoding(counts: tuple[int, ...], repetitions: int) -> dict[str, Row]:
    """Decode records in memory, nothing else, in pieces of the terminal's slices.

    ``held`` keeps every row until the end, for both: then the garbage collector visits our
    objects again and again, and the plain pass's tuples of plain values never.
    """
    table: dict[str, Row] = {}
    for count in counts:
        records = b"".join(punch_record(punch, 40) for punch in punches(count))
        pieces = [records[at : at + _PIECE] for at in range(0, len(records), _PIECE)]

        def plain(pieces: list[bytes] = pieces) -> None:
            for piece in pieces:
                plain_pass(piece)

        def ours(pieces: list[bytes] = pieces) -> None:
            decoder = PunchDecoder(ATTLOG_40)
            for piece in pieces:
                decoder.decode(piece)

        def plain_held(pieces: list[bytes] = pieces) -> None:
            _ = [plain_pass(piece) for piece in pieces]

        def ours_held(pieces: list[bytes] = pieces) -> None:
            decoder = PunchDecoder(ATTLOG_40)
            _ = [decoder.decode(piece) for piece in pieces]

        # What takes a millisecond is taken more often: it may meet the machine's other work.
        often = max(repetitions, _RECORDS_IN_ALL // count)
        plain_s, ours_s = interleaved(plain, ours, often)
        plain_held_s, ours_held_s = interleaved(plain_held, ours_held, often)
        table[str(count)] = {
            "plain_records_per_s": count / plain_s,
            "ours_records_per_s": count / ours_s,
            "ours_to_plain": plain_s / ours_s,
            "ours_to_plain_held": plain_held_s / ours_held_s,
        }
    return table


def one_new_punch(count: int, repetitions: int, *, pyzk: bool) -> Row:
    """Find one new punch in a log that is known."""
    with TerminalProcess(count) as terminal:
        port = terminal.port
        transport = Noting(port)
        with ZKDevice("127.0.0.1", transport=transport) as device:
            read = device.read_log("punches")
            if sum(1 for _ in read) != count:
                raise RuntimeError("records are missing")
            cursor = read.cursor
            times: list[float] = []
            sizes: list[int] = []
            for _ in range(repetitions):
                terminal.ask("punch")
                transport.asked.clear()
                before = device.bytes_sent + device.bytes_received
                started = perf_counter()
                cursor = tail(device, cursor)
                times.append(perf_counter() - started)
                sizes.append(device.bytes_sent + device.bytes_received - before)
            asked = list(transport.asked)
        with RawSocket(port) as raw:
            raw_s = seconds(lambda: [raw.ask(*each) for each in asked], repetitions)
        pyzk_s = pyzk_bytes = None
        if pyzk:
            terminal.ask("reset")
            pyzk_s = seconds(
                lambda: pyzk_session(port, lambda connection: connection.get_attendance()), 1
            )
            pyzk_bytes = terminal.ask("bytes")
    return compare(raw_s, median(times), pyzk_s, ours_bytes=max(sizes), pyzk_bytes=pyzk_bytes)


def tail(device: ZKDevice, cursor: LogCursor) -> LogCursor:
    """Read what is new: exactly one punch."""
    read = device.read_log("punches", cursor)
    if sum(1 for _ in read) != 1 or read.whole:
        raise RuntimeError(f"the tail was not read: {read.case}")
    return read.cursor


def live(repetitions: int, *, pyzk: bool) -> dict[str, Row]:
    """From the punch at the terminal to the client's iterator."""
    table: dict[str, Row] = {}
    clients: dict[str, Callable[[int, threading.Event, list[int]], None]] = {
        "raw": _raw_listener,
        "ours": _our_listener,
    }
    if pyzk:
        clients["pyzk"] = _pyzk_listener
    for name, listen in clients.items():
        with TerminalProcess(100) as terminal:
            taken = threading.Event()
            arrivals: list[int] = []
            thread = threading.Thread(
                target=listen, args=(terminal.port, taken, arrivals), name=name, daemon=True
            )
            thread.start()
            terminal.ask("registered")
            delays = []
            for _ in range(repetitions):
                taken.clear()
                sent = terminal.ask("punch")
                taken.wait(10)
                delays.append((arrivals[-1] - sent) / 1e6)
        cuts = quantiles(delays, n=20)
        table[name] = {"p50_ms": median(delays), "p95_ms": cuts[-1]}
    return table


def _raw_listener(port: int, taken: threading.Event, arrivals: list[int]) -> None:
    try:
        with RawSocket(port) as raw:
            raw.ask(CMD_REG_EVENT, b"\xff\xff\0\0")
            while True:
                raw.event()
                arrivals.append(monotonic_ns())
                taken.set()
    except OSError:
        return  # the terminal went away: the benchmark is over


def _our_listener(port: int, taken: threading.Event, arrivals: list[int]) -> None:
    try:
        with ZKDevice("127.0.0.1", port, kind="tcp") as device:
            for _ in device.live_events():
                arrivals.append(monotonic_ns())
                taken.set()
    except Exception as error:  # noqa: BLE001  a thread's top; the terminal went away
        print(f"live: {error}", file=sys.stderr)


def _pyzk_listener(port: int, taken: threading.Event, arrivals: list[int]) -> None:
    try:
        connection = ZK("127.0.0.1", port=port, timeout=60, ommit_ping=True).connect()
        for punch in connection.live_capture():
            if punch is not None:
                arrivals.append(monotonic_ns())
                taken.set()
    except Exception as error:  # noqa: BLE001  a thread's top; the terminal went away
        print(f"live: {error}", file=sys.stderr)


def peak_memory() -> Row:
    """Growth of a process's peak memory over its idle state while it reads the log."""
    row: Row = {}
    with TerminalProcess(LOG) as terminal:
        for who in ("raw", "ours", "pyzk"):
            done = subprocess.run(  # noqa: S603  ourselves
                [sys.executable, "-m", "bench.client", "--memory", who, str(terminal.port)],
                capture_output=True,
                text=True,
                check=True,
            )
            row[f"{who}_mb"] = float(done.stdout)
    return row


def measure_memory(who: str, port: int) -> None:
    """Read the log in this process and print how much its peak grew, in MB."""
    small = 0
    clear = Path("/proc/self/clear_refs")

    def idle_mb() -> float:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        clear.write_text("5", encoding="ascii")  # the peak starts anew from here
        return int(peak.split()[1]) / 1024

    if who == "ours":
        with ZKDevice("127.0.0.1", port, kind="tcp") as device:
            device.device_info()
            idle_mb()
            before = idle_mb()
            small = sum(1 for _ in device.attendance())
            print(idle_mb() - before)
    elif who == "pyzk":
        connection = ZK("127.0.0.1", port=port, timeout=60, ommit_ping=True).connect()
        idle_mb()
        before = idle_mb()
        small = len(connection.get_attendance())
        print(idle_mb() - before)
        connection.disconnect()
    else:
        _, asked = round_trips(port, lambda device: sum(1 for _ in device.attendance()))
        with RawSocket(port) as raw:
            idle_mb()
            before = idle_mb()
            for command, data in asked:
                raw.ask(command, data)
            print(idle_mb() - before)
        small = LOG
    if small != LOG:
        raise RuntimeError("records are missing")


def main() -> None:
    """Run everything and write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--memory", nargs=2, metavar=("WHO", "PORT"))
    arguments = parser.parse_args()
    if arguments.memory:
        measure_memory(arguments.memory[0], int(arguments.memory[1]))
        return
    slow = not arguments.quick
    section: dict[str, Any] = {}

    def note(name: str, row: object) -> None:
        section[name] = row
        print(f"{name}: {row}", flush=True)

    note("connect_and_info", connect_and_info(0.0, 400))
    note("connect_and_info_20ms", connect_and_info(0.02, 5))
    note("full_read_100k", full_read(7, pyzk=slow))
    if slow:
        line = full_read(1, pyzk=True, latency_s=0.02, bandwidth=200_000.0)
        note("full_read_100k_20ms_200kBs", line)
    note("decoding", decoding((1_000, 10_000, 100_000, 1_000_000), 5))
    note("one_new_of_100k", one_new_punch(LOG, 30, pyzk=slow))
    note("one_new_of_1k", one_new_punch(1_000, 30, pyzk=True))
    note("live", live(400, pyzk=True))
    note("peak_memory", peak_memory())
    write_section("client", section)


if __name__ == "__main__":
    main()
