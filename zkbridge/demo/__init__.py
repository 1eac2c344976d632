"""The demonstration: simulated terminals, a broker and a subscriber around the real bridge."""

from zkbridge.demo.play import DemoError, play

__all__ = ["DemoError", "play"]
