"""Built pages, read as a browser would."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

DOCS: Final = Path(__file__).parents[2] / "docs"
_BLOCK: Final = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code of one language in Markdown."""
    return [body for found, body in _BLOCK.findall(text) if found == language]


@dataclass(eq=False)
class Page(HTMLParser):
    """One page: its ids, links and code.

    Attributes:
        loaded: What a browser fetches with it.
        codes: Words in the text that are code.
        shown: Blocks of code.
    """

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    headings: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    _collecting: list[tuple[str, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element says of itself."""
        told = {name: value or "" for name, value in attrs}
        if "id" in told:
            self.ids.add(told["id"])
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if tag in {"script", "img", "iframe"} and "src" in told:
            self.loaded.append(told["src"])
        if tag == "link" and "href" in told:
            self.loaded.append(told["href"])
        if tag in {"code", "pre", "h1", "h2", "h3"}:
            self._collecting.append((tag, []))

    def handle_endtag(self, tag: str) -> None:
        """Keep the text of a finished element."""
        if self._collecting and self._collecting[-1][0] == tag:
            _, parts = self._collecting.pop()
            text = "".join(parts)
            if tag == "code":
                self.codes.add(text)
            elif tag == "pre":
                self.shown.append(text)
            else:
                self.headings.append(text.rstrip("¶"))

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.words.append(data)
        for _, parts in self._collecting:
            parts.append(data)

    @cached_property
    def text(self) -> str:
        """Everything that can be read, white space made even."""
        return " ".join("".join(self.words).split())


@dataclass(slots=True)
class Pages:
    """All built pages.

    Attributes:
        folder: Where they are.
    """

    folder: Path
    _read: dict[str, Page] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every page."""
        return sorted(path.name for path in self.folder.glob("*.html"))

    def __getitem__(self, name: str) -> Page:
        if name not in self._read:
            page = Page()
            page.feed((self.folder / name).read_text(encoding="utf-8"))
            self._read[name] = page
        return self._read[name]

    def broken_links(self, name: str) -> list[str]:
        """Links of a page that lead nowhere inside the documentation."""
        return [link for link in self[name].links if not self._leads_somewhere(name, link)]

    def _leads_somewhere(self, name: str, link: str) -> bool:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return True
        target, place = unquote(parts.path) or name, unquote(parts.fragment)
        if not (self.folder / target).is_file():
            return False
        return not place or not target.endswith(".html") or place in self[target].ids
