"""The commands together, and what becomes of a command that fails."""

import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from types import FrameType
from typing import Annotated

import typer

from zkbridge.cli import ask, backup, lab, service
from zkbridge.cli.failures import EXPECTED, FAILED, FINE, INTERRUPTED, WRONG_USAGE, explained
from zkbridge.cli.messages import complain
from zkbridge.logs import printable

app = typer.Typer(
    name="zkbridge",
    help="ZKTeco attendance and access terminals to MQTT and Home Assistant.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (service.app, ask.app, backup.app, lab.app):
    app.registered_commands += group.registered_commands


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        print(f"zkbridge {version('zkbridge')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: What follows the program's name.

    Returns:
        Exit code: 0 fine, 1 an operation failed, 2 wrong usage or configuration.
    """
    # A screen that cannot show a character shows its number; a terminal stays as it was found
    # also when the command is ended from outside.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _interrupt)
    command = typer.main.get_command(app)
    try:
        result = command.main(
            list(arguments) or ["--help"], prog_name="zkbridge", standalone_mode=False
        )
        sys.stdout.flush()
        code = result if isinstance(result, int) else FINE
    except BrokenPipeError:
        # Whoever read the output has gone; nobody is left to be told.
        sys.stdout = None  # or the interpreter complains at its end
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.Abort:
        complain("stopped")
        code = FAILED
    except typer.TyperException as error:
        path = getattr(getattr(error, "ctx", None), "command_path", "zkbridge")
        complain(f"{printable(error.format_message()).rstrip('.')}; see {path} --help")
        code = WRONG_USAGE
    except EXPECTED as error:
        code, lines = explained(error)
        for line in lines:
            complain(line)
    return code if arguments else WRONG_USAGE


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
