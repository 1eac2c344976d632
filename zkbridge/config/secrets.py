"""Secrets that are kept in files of their own."""

from pathlib import Path

from zkbridge.config.values import ConfigError


def read_secret(path: Path, what: str) -> str:
    """Read a one-line secret from a file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(4096).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError([f"{what}: cannot read {path}: {reason}"]) from error
