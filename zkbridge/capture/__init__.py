"""Anonymised recordings of whole sessions, for support and for tests."""

from zkbridge.capture.anonymise import anonymised
from zkbridge.capture.record import Step, record

__all__ = ["Step", "anonymised", "record"]
