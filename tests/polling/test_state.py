"""What is told of a terminal, and that changes are told together and only once."""

from zkbridge.events import Terminal, TerminalView, Trouble
from zkbridge.polling.state import StateKeeper
from zkbridge.zk import Capacity


def keeper(told: list[TerminalView]) -> StateKeeper:
    return StateKeeper(TerminalView(terminal=Terminal(key="A", id="a", name="A")), told.append)


def test_counts_that_are_not_told_are_unknown() -> None:
    told: list[TerminalView] = []
    state = keeper(told)
    state.counted(Capacity(users=3, punches=150, punches_capacity=200_000))
    assert told[-1].state.users == 3
    assert told[-1].state.log_used == 0.1
    assert told[-1].state.faces is None
    state.counted(Capacity())
    assert told[-1].state.log_used is None


def test_what_did_not_change_is_not_told() -> None:
    told: list[TerminalView] = []
    state = keeper(told)
    state.fine()
    state.fine()
    state.counted(Capacity())
    assert len(told) == 1


def test_changes_within_a_block_are_told_together() -> None:
    told: list[TerminalView] = []
    state = keeper(told)
    with state.together():
        state.counted(Capacity(users=1))
        state.drifted(10)
        state.fine()
    assert [(v.state.users, v.state.clock_drift, v.online) for v in told] == [(1, 10, True)]


def test_a_clock_is_called_wrong_once_and_until_it_is_right() -> None:
    told: list[TerminalView] = []
    state = keeper(told)
    assert not state.drifted(299)
    assert state.drifted(-25_200)
    assert state.view.state.error is Trouble.CLOCK_WRONG
    assert not state.drifted(-25_199)
    assert not state.drifted(-25_100)
    state.update(error=Trouble.UNREACHABLE)
    state.fine()
    assert state.view.state.error is Trouble.CLOCK_WRONG
    assert not state.drifted(0)
    assert state.view.state.error is None


def test_noise_of_the_clock_is_no_change() -> None:
    told: list[TerminalView] = []
    state = keeper(told)
    state.drifted(10)
    state.drifted(11.9)
    state.drifted(8.1)
    assert [v.state.clock_drift for v in told] == [10]
    state.drifted(12)
    assert told[-1].state.clock_drift == 12
