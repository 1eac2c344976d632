"""Retry policies: what is tried again, and when. The only user of tenacity."""

from collections.abc import Callable
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
SLOW_WAIT_S: Final = 600.0


def retrying(
    *,
    soon: tuple[type[BaseException], ...],
    slow: tuple[type[BaseException], ...] = (),
    wait: Callable[[float], None],
    stopped: Callable[[], bool],
    failed: Callable[[BaseException, float], None],
) -> Retrying:
    """Build a policy that goes on until it succeeds or is stopped.

    Args:
        soon: Retried with exponential backoff and full jitter, 1 s to 60 s.
        slow: Of these, what only a person can mend: retried every 10 min.
        wait: Waits that many seconds, or until something wakes it.
        stopped: Whether to give up; the last error is raised then.
        failed: Told of every failure, with the seconds until the next attempt.

    Returns:
        The policy; call it with the function to run. Errors of other types are raised at once.
    """
    exponential = wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, slow):
            return SLOW_WAIT_S
        # Full jitter may draw almost nothing: a terminal gets at least a breath.
        return max(FIRST_WAIT_S / 2, exponential(state))

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            failed(error, state.next_action.sleep if state.next_action else 0.0)

    return Retrying(
        retry=retry_if_exception_type((*soon, *slow)),
        wait=pause,
        sleep=wait,
        stop=lambda _: stopped(),
        before_sleep=report,
        reraise=True,
    )
