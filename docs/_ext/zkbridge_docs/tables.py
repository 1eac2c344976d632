"""Markdown tables and code."""

from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """Make a text fit for one cell; what is no code is no HTML either."""
    parts = " ".join(text.replace("|", "\\|").split()).split("`")
    return "`".join(
        part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts)
    )


def code(text: str) -> str:
    """Show a text as code; nothing for nothing."""
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a table; columns that are empty throughout are left out."""
    cells = [[cell(text) for text in row] for row in rows]
    used = [at for at in range(len(head)) if any(row[at] for row in cells)]
    lines = [[head[at] for at in used], ["---"] * len(used)]
    lines += [[row[at] for at in used] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def fenced(text: str, language: str) -> str:
    """Show text as a block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"
