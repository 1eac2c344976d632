"""How the bridge ends, and what it makes of a store that was lost meanwhile."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from tests.bridge import BridgeProcess, terminal_options
from tests.e2e.test_path import AVAILABLE, LATE, PUNCH, payload, wait_synced
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import SimulatedTerminal, faults
from zkbridge.zk.opcodes import CMD_GET_FREE_SIZES

STOP_WITHIN_S = 5


def test_sigterm_says_goodbye_for_every_terminal_and_exits_0(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    bridge = BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal))
    with bridge:
        wait_synced(subscriber)
        assert bridge.stop() == 0
        subscriber.wait_for(
            lambda records: any(
                r.topic == "zkbridge/bridge/availability" and r.payload == b"offline"
                for r in records
            )
        )
    assert subscriber.on(AVAILABLE)[-1].payload == b"offline"
    assert terminal.wait_for(lambda: not terminal.connections)
    assert not subscriber.on(PUNCH)


def test_sigterm_ends_it_in_time_though_terminal_and_broker_hang(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    options = terminal_options(terminal, timeout=30)
    bridge = BridgeProcess(tmp_path / "bridge", broker.port, options)
    with bridge:
        wait_synced(subscriber)
        terminal.inject(faults.Hang(), CMD_GET_FREE_SIZES)
        asked = terminal.requests[CMD_GET_FREE_SIZES]
        terminal.wait_for(lambda: terminal.requests[CMD_GET_FREE_SIZES] > asked)
        broker.pause()
        try:
            bridge.signal_stop()
            assert bridge.wait(STOP_WITHIN_S) == 0
        finally:
            broker.resume()


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_a_lost_store_repeats_a_week_as_late_and_nothing_older(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path,
    how: str,
) -> None:  # fmt: skip
    wall = terminal.wall_clock()
    bridge = BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal))
    with bridge:
        wait_synced(subscriber)
        terminal.punch("7", when=wall - timedelta(days=8), live=False)
        terminal.punch("7", when=wall - timedelta(days=6), live=False)
        terminal.punch("007", when=wall - timedelta(days=5), live=False)
        subscriber.wait_for(lambda rs: sum(r.topic.startswith(PUNCH) for r in rs) >= 3)
        bridge.stop()
        first = {payload(r)["id"]: payload(r) for r in subscriber.on(f"{PUNCH}/#")}
        subscriber.clear()
        store = Path(bridge.options["store"]["path"])
        if how == "damaged":
            store.write_bytes(b"this is no database, " * 1000)
        else:
            store.unlink()
        bridge.start()
        again = subscriber.wait_count(LATE, 2)
        bridge.wait_log("the store was lost")
        terminal.punch("7")
        fresh = subscriber.wait_count(PUNCH, 1)
    assert [payload(r)["user_id"] for r in again] == ["7", "007"]
    assert all(payload(r)["id"] in first for r in again)
    assert len(subscriber.on(LATE)) == 2
    assert len(fresh) == 1
    aside = list(store.parent.glob("*damaged*"))
    assert bool(aside) == (how == "damaged")


def test_a_second_bridge_on_the_same_store_is_refused_in_one_line(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    bridge = BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal))
    with bridge:
        wait_synced(subscriber)
        done = subprocess.run(  # noqa: S603 - our own command line
            bridge.command, cwd=bridge.folder, env=bridge.environ, capture_output=True, timeout=30,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_state_says_what_is_wrong_in_words(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    terminal.behave(comm_key=123456)
    with BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal)):
        records = subscriber.wait_for(
            lambda rs: any(r.topic.endswith("/state") and b"auth_failed" in r.payload for r in rs)
        )
    state = json.loads([r for r in records if b"auth_failed" in r.payload][-1].payload)
    assert state["error_text"] == "The terminal refuses the comm key"
    assert "comm_key" in state["error_cure"]


def test_the_handshake_option_is_put_back_also_after_a_kill(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    terminal.behave(sdk_gated=True)
    bridge = BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal))
    with bridge:
        wait_synced(subscriber)
        assert terminal.option("SDKBuild") == "1"
        bridge.kill()
        assert terminal.option("SDKBuild") == "1"
        subscriber.clear()
        bridge.start()
        terminal.punch("7")
        subscriber.wait_for(lambda rs: any(r.topic.startswith(PUNCH) for r in rs))
        assert bridge.stop() == 0
    assert terminal.option("SDKBuild") == "0"
