"""Reads terminals: one worker each, everything new goes into the store."""
