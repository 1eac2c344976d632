"""Who may ask: host names, token, Home Assistant's ingress, forged requests.

Pure decisions, and one ASGI layer that applies them before anything else runs.
"""

import hmac
import json
import logging
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOGGER = logging.getLogger(__name__)

# Source: homeassistant.md, the add-on: ingress comes from the Supervisor alone.
SUPERVISOR: Final = "172.30.32.2"
COOKIE: Final = "zkbridge"
CSRF_HEADER: Final = "x-csrf-token"
MAX_BODY_BYTES: Final = 8192
_COOKIE_AGE_S: Final = 30 * 86400
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]{1,5})?")
_INGRESS_PATH = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9_.~-]*)+/?")
_MOST_NOTED: Final = 100
_SAFE_METHODS = frozenset({"GET", "HEAD"})

_SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors {ancestors}"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

_SIGN_IN: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>zkbridge</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="static/page.css">
<link rel="icon" href="static/icon.svg"></head>
<body class="sign-in"><main class="card"><h1>zkbridge</h1><p>{reason}</p>
<form method="post" action="./"><label>Token <input name="token" type="password"
autocomplete="current-password" required autofocus></label> <button>Open</button></form>
<p class="quiet">It is <code>web.token</code> of the configuration.</p></main></body></html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the guard goes by.

    Attributes:
        loopback: The page listens for this machine only.
        listen_host: The address that it listens on.
        token: None: nobody has to show one.
        ingress: The add-on: the Supervisor and this machine come in without a token.
        csrf: What a page has to send back with everything that is no plain reading.
    """

    loopback: bool
    listen_host: str
    csrf: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    ingress: bool = False
    hostname: str = field(default_factory=socket.gethostname)

    @property
    def session(self) -> str:
        """What the cookie holds: proof of the token, never the token."""
        key = (self.token or "").encode()
        return hmac.new(key, b"zkbridge page", sha256).hexdigest()


class Caller(Enum):
    """Who is asking."""

    SUPERVISOR = "supervisor"
    LOCAL = "local"
    BEARER = "bearer"
    COOKIE = "cookie"
    STRANGER = "stranger"


def host_is_ours(policy: Policy, header: str | None, local: str | None) -> bool:
    """Tell whether a ``Host`` header names this bridge; others come by DNS rebinding.

    Args:
        policy: What the guard goes by.
        header: The header as sent.
        local: This machine's address of that connection.
    """
    match = _HOST.fullmatch(header or "")
    if match is None:
        return False
    name = match[1].strip("[]").lower().rstrip(".")
    if name == "localhost":
        return True
    address = _address(name)
    if address is None:
        own = policy.hostname.lower()
        return not policy.loopback and name in {own, f"{own}.local"}
    if address.is_loopback or name in {policy.listen_host, local}:
        return True
    return not policy.loopback and (address.is_private or address.is_link_local)


def ingress_path(policy: Policy, headers: Mapping[str, str], caller: Caller) -> str | None:
    """Return the path prefix of Home Assistant's ingress; None where nobody may set one."""
    if not policy.ingress or caller not in {Caller.SUPERVISOR, Caller.LOCAL}:
        return None
    path = headers.get("x-ingress-path", "")
    return path.rstrip("/") + "/" if _INGRESS_PATH.fullmatch(path) else None


def caller_of(policy: Policy, peer: str | None, headers: Mapping[str, str]) -> Caller:
    """Find out who is asking.

    Args:
        policy: What the guard goes by.
        peer: The other end's address.
        headers: The request's headers, lower case.
    """
    address = _address(peer or "")
    if policy.ingress and address is not None:
        if str(address) == SUPERVISOR:
            return Caller.SUPERVISOR
        if address.is_loopback:
            return Caller.LOCAL
    if policy.token is None:
        # Configurations without a token listen on loopback only; in the add-on nobody else may.
        return Caller.STRANGER if policy.ingress or not policy.loopback else Caller.LOCAL
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and same(shown.strip(), policy.token):
        return Caller.BEARER
    if same(_cookie(headers.get("cookie", "")), policy.session):
        return Caller.COOKIE
    return Caller.STRANGER


def forged(policy: Policy, headers: Mapping[str, str], caller: Caller) -> bool:
    """Tell whether another site's page may have sent this request that changes something."""
    if caller is Caller.BEARER:
        return False
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    if origin is not None and caller is not Caller.SUPERVISOR:
        # The Supervisor passes the browser's Origin but may name another Host.
        try:
            if urlsplit(origin).netloc != headers.get("host"):
                return True
        except ValueError:
            return True
    return not same(headers.get(CSRF_HEADER, ""), policy.csrf)


def same(shown: str, expected: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), expected.encode())


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


class Guard:
    """Applies a policy to every request, and the security headers to every answer."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._policy = policy
        self._wrong: set[str] = set()
        ancestors = "'self'" if policy.ingress else "'none'"
        self._headers = {
            name: value.format(ancestors=ancestors) for name, value in _SECURITY_HEADERS.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = await self._answer(scope, receive)
        await (answer or self._app)(scope, receive, guarded_send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        """Return what to say instead of serving; None: go on."""
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else None
        local = scope["server"][0] if scope.get("server") else None
        caller = caller_of(self._policy, peer, headers)
        if caller is not Caller.SUPERVISOR and not host_is_ours(
            self._policy, headers.get("host"), local
        ):
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST, "This is not the host you asked for.")
        if self._policy.token is not None and scope["path"] == "/":
            answer = await self._sign_in(scope, receive, caller)
            if answer is not None:
                return answer
        if caller is Caller.STRANGER and not self._public(scope):
            if "authorization" in headers:
                self._note_wrong_token(scope)
            return self._stranger(headers)
        if scope["method"] not in _SAFE_METHODS and forged(self._policy, headers, caller):
            return _refusal(
                HTTPStatus.FORBIDDEN, "The page is older than the bridge: load it again."
            )
        scope["zkbridge.base"] = ingress_path(self._policy, headers, caller)
        scope["zkbridge.csrf"] = self._policy.csrf
        return None

    def _public(self, scope: Scope) -> bool:
        # The looks of the page, for the form that asks for the token.
        return (
            self._policy.token is not None
            and scope["method"] in _SAFE_METHODS
            and scope["path"].startswith("/static/")
        )

    async def _sign_in(self, scope: Scope, receive: Receive, caller: Caller) -> Response | None:
        shown: str | None = None
        if scope["method"] in _SAFE_METHODS:
            query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20)
            shown = query.get("token", [None])[0]
        elif caller is Caller.STRANGER:
            try:
                body = await read_body(receive)
            except BodyTooLarge:
                return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is no token.")
            shown = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if shown is None:
            return None
        if not same(shown, self._policy.token or ""):
            self._note_wrong_token(scope)
            return _sign_in_page("This is not the token.")
        answer = Response(status_code=HTTPStatus.SEE_OTHER, headers={"location": "./"})
        # No path: the browser takes the page's own, which also holds below a proxy's prefix.
        answer.set_cookie(
            COOKIE,
            self._policy.session,
            max_age=_COOKIE_AGE_S,
            path=None,
            httponly=True,
            samesite="strict",
        )
        return answer

    def _note_wrong_token(self, scope: Scope) -> None:
        peer = scope["client"][0] if scope.get("client") else "somebody"
        if peer not in self._wrong and len(self._wrong) < _MOST_NOTED:
            self._wrong.add(peer)
            _LOGGER.warning("the page was asked for with a wrong token by %s", peer)

    def _stranger(self, headers: Headers) -> Response:
        if self._policy.token is None:
            return _refusal(HTTPStatus.FORBIDDEN, "Only Home Assistant may ask here.")
        if "text/html" in headers.get("accept", ""):
            return _sign_in_page("This page needs its token.")
        answer = _refusal(HTTPStatus.UNAUTHORIZED, "A token is needed: Authorization: Bearer …")
        answer.headers["www-authenticate"] = 'Bearer realm="zkbridge"'
        return answer


def _sign_in_page(reason: str) -> Response:
    return Response(_SIGN_IN.format(reason=reason), HTTPStatus.UNAUTHORIZED, media_type="text/html")


def _refusal(status: HTTPStatus, message: str) -> Response:
    body = json.dumps({"error": message}, ensure_ascii=False) + "\n"
    return Response(body, status, media_type="application/json")


class BodyTooLarge(Exception):
    """A request's body is larger than anything that the page sends."""


async def read_body(receive: Receive) -> bytes:
    """Read a request's body.

    Raises:
        BodyTooLarge: It has more than 8 KiB.
    """
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)
