"""The page, the HTTP API, health and metrics; reads the store and owns no state."""

from zkbridge.web.configuration import shown_configuration
from zkbridge.web.health import Health
from zkbridge.web.logview import LogView
from zkbridge.web.probe import TerminalAddress, TerminalTest
from zkbridge.web.server import WebError, WebServer

__all__ = [
    "Health",
    "LogView",
    "TerminalAddress",
    "TerminalTest",
    "WebError",
    "WebServer",
    "shown_configuration",
]
