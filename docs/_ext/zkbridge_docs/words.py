"""The words that terminal numbers become."""

from zkbridge.vocabulary import (
    ALARM_TYPES,
    OPERATIONS,
    OTHER_OPERATION,
    OTHER_PUNCH,
    PUNCH_TYPES,
    VERIFY_METHODS,
)
from zkbridge_docs.tables import code, table


def punch_types() -> str:
    """List what keys become."""
    rows = [(str(number), code(word)) for number, word in enumerate(PUNCH_TYPES)]
    return table(("`punch_code`", "`event_type`"), [*rows, ("any other", code(OTHER_PUNCH))])


def verify_methods() -> str:
    """List how people are recognised."""
    rows = [(str(number), code(word)) for number, word in VERIFY_METHODS.items()]
    head = ("`verify_code`", "`verified_by`")
    return table(head, [*rows, ("any other *n*", code("code_<n>"))])


def operations() -> str:
    """List what op-log entries become."""
    rows = [(str(number), code(word)) for number, word in OPERATIONS.items()]
    return table(("`op_code`", "`event_type`"), [*rows, ("any other", code(OTHER_OPERATION))])


def alarms() -> str:
    """List the kinds of alarms."""
    return ", ".join(code(word) for word in ALARM_TYPES) + "\n"
