"""Parts of the documentation that are made from the code, so that they cannot drift.

``{generated} NAME`` in a page is replaced by what the maker of that name returns: Markdown,
rendered as if it stood in the page.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Final

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from zkbridge_docs import (
    api,
    commands,
    entities,
    http,
    messages,
    metrics,
    options,
    troubles,
    words,
)

# Which section of which paper: nobody who reads the pages has it.
_NOTE: Final = re.compile(r"protocol\.md [\d.]+: |,? ?\((?:contract|protocol\.md) [\d.]+\)")
_WORDS: Final = re.compile(r"of contract [\d.]+")

MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    "options": options.all_options,
    "environment": options.environment,
    "terminal-entities": entities.terminal_entities,
    "bridge-entities": entities.bridge_entities,
    "triggers": entities.triggers,
    "blueprints": entities.blueprints,
    "addon-options": entities.addon_options,
    "topics": messages.topics,
    "example-punch": messages.example_punch,
    "example-impossible": messages.example_impossible,
    "example-operation": messages.example_operation,
    "example-alarm": messages.example_alarm,
    "example-state": messages.example_state,
    "example-bridge": messages.example_bridge,
    "punch-types": words.punch_types,
    "verify-methods": words.verify_methods,
    "operations": words.operations,
    "alarms": words.alarms,
    "terminal-troubles": troubles.terminal_troubles,
    "broker-troubles": troubles.broker_troubles,
    "command-troubles": troubles.command_troubles,
    "metrics": metrics.families,
    "http": http.endpoints,
    "commands": commands.all_commands,
    "api-devices": api.device,
    "api-logs": api.logs,
    "api-models": api.models,
    "api-live": api.live,
    "api-transports": api.transports,
    "api-errors": api.errors,
}


class Generated(SphinxDirective):
    """``{generated} NAME``: what the maker of that name returns."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Render it."""
        make = MAKERS.get(self.arguments[0])
        if make is None:
            raise self.error(f"there is no {self.arguments[0]}; known: {', '.join(MAKERS)}")
        lines = StringList(make().splitlines(), source=f"generated:{self.arguments[0]}")
        place = nodes.Element()
        place.document = self.state.document
        self.state.nested_parse(lines, self.content_offset, place, match_titles=True)
        return list(place.children)


class Diagram(SphinxDirective):
    """``{diagram} FILE``: an SVG inside the page, so that it has the page's colours."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Put it in, for HTML."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        svg = Path(absolute).read_text(encoding="utf-8")
        html = f'<div class="zkbridge-diagram">\n{svg}</div>'
        return [nodes.raw("", html, format="html")]


def without_sources(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Take out where a protocol fact comes from: that is for readers of the code."""
    kept: list[str] = []
    leaving_out = False
    for line in lines:
        if line.startswith("Source:"):
            leaving_out = True
        elif not line.strip():
            leaving_out = False
        if not leaving_out:
            without = _NOTE.sub("", line.partition(" Source: ")[0])
            kept.append(_WORDS.sub("as in payloads", without))
    lines[:] = kept


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("generated", Generated)
    app.add_directive("diagram", Diagram)
    app.connect("autodoc-process-docstring", without_sources, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
