"""The files of the page, read once and served from memory; only these can be asked for."""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Final

import jinja2

_MEDIA: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@lru_cache(maxsize=1)
def page_template() -> jinja2.Template:
    """Return the page's frame; what is filled in is escaped."""
    text = resources.files("zkbridge.web").joinpath("templates", "page.html").read_text("utf-8")
    return jinja2.Environment(autoescape=True).from_string(text)


@lru_cache(maxsize=1)
def static_files() -> dict[str, tuple[bytes, str, str]]:
    """Return every file of the page by name; only these can be asked for."""
    return {name: (content, media, _tag(content)) for name, content, media in _files()}


def _files() -> Iterator[tuple[str, bytes, str]]:
    for file in resources.files("zkbridge.web").joinpath("static").iterdir():
        media = _MEDIA.get(f".{file.name.rpartition('.')[2]}")
        if media is not None:
            yield file.name, file.read_bytes(), media


@lru_cache(maxsize=1)
def openapi() -> bytes:
    """Return the API's description, JSON."""
    return resources.files("zkbridge.web").joinpath("openapi.json").read_bytes()


def _tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:16]}"'
