"""The command line, as its own help texts say it."""

from typing import Any, cast

import typer.main

from zkbridge.cli.application import app
from zkbridge_docs.tables import fenced


def all_commands() -> str:
    """Show the help of every command."""
    group = cast("Any", typer.main.get_command(app))  # click's own types differ by version
    parts = []
    with group.make_context("zkbridge", [], resilient_parsing=True) as above:
        for name in group.list_commands(above):
            command = group.get_command(above, name)
            with command.make_context(
                name, [], parent=above, resilient_parsing=True, terminal_width=88
            ) as context:
                help_text = command.get_help(context)
            parts += [f"{{#command-{name}}}", f"### zkbridge {name}", "", fenced(help_text, "text")]
    return "\n".join(parts)
