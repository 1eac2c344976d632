"""Recordings without anybody in them."""
