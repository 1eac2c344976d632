"""Who may ask, and who may not."""

import re
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from tests.web.house import House
from zkbridge.web.guard import (
    SUPERVISOR,
    Caller,
    Policy,
    caller_of,
    forged,
    host_is_ours,
    ingress_path,
)

LOOPBACK = Policy(loopback=True, listen_host="127.0.0.1", csrf="c", hostname="pi")
OPEN = Policy(loopback=False, listen_host="0.0.0.0", csrf="c", token="t", hostname="pi")  # noqa: S104 - the case
ADDON = Policy(loopback=False, listen_host="0.0.0.0", csrf="c", ingress=True, hostname="pi")  # noqa: S104 - the case


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8099", "[::1]:8099", "LOCALHOST:1", "127.9.9.9", "localhost."]
)
def test_this_machines_names_are_ours(host: str) -> None:
    assert host_is_ours(LOOPBACK, host, "127.0.0.1")


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8099",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "192.168.1.5",
        "8.8.8.8",
        "pi",
        "[::1",
        "localhost:99999999",
        "a b",
    ],
)
def test_foreign_hosts_are_not_ours_on_loopback(host: str | None) -> None:
    assert not host_is_ours(LOOPBACK, host, "127.0.0.1")


@pytest.mark.parametrize(
    "host", ["192.168.1.5:8099", "pi", "pi.local:8099", "[fd00::1]", "7.7.7.7"]
)
def test_addresses_and_own_name_are_ours_beyond_loopback(host: str) -> None:
    assert host_is_ours(OPEN, host, "7.7.7.7")


@pytest.mark.parametrize("host", ["evil.example", "8.8.8.8", "pi.evil.example"])
def test_foreign_hosts_are_not_ours_beyond_loopback(host: str) -> None:
    assert not host_is_ours(OPEN, host, "192.168.1.5")


def test_foreign_host_is_answered_421(house: House) -> None:
    answer = house.ask("/api/punches", headers={"Host": "evil.example"})

    assert answer.status == 421
    assert b"punches" not in answer.body


def test_forwarded_host_changes_nothing(house: House) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}

    assert house.ask("/", headers=headers).status == 421


@pytest.mark.parametrize("path", ["/", "/api/punches", "/healthz", "/metrics", "/api/events"])
def test_without_token_nothing_is_told(guarded: House, path: str) -> None:
    answer = guarded.ask(path)

    assert answer.status == 401
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong", "Bearer ", "Basic s3cret-token", "s3cret-token", "Bearer s3cret-tokenx"],
)
def test_wrong_token_is_refused(guarded: House, header: str) -> None:
    assert guarded.ask("/api/punches", headers={"Authorization": header}).status == 401


def test_bearer_token_opens_everything(guarded: House) -> None:
    headers = {"Authorization": "Bearer s3cret-token"}

    assert guarded.ask("/api/punches", headers=headers).status == 200


def test_token_in_the_address_becomes_a_cookie_once(guarded: House) -> None:
    first = guarded.ask("/?token=s3cret-token")

    cookie = SimpleCookie(first.headers["set-cookie"])["zkbridge"]
    assert (first.status, first.headers["location"]) == (303, "./")
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "strict"
    assert "s3cret" not in cookie.value
    assert not cookie["path"], "a path would be wrong below a proxy's prefix"
    headers = {"Cookie": f"zkbridge={cookie.value}"}
    assert guarded.ask("/", headers=headers).status == 200
    assert guarded.ask("/api/punches", headers=headers).status == 200


def test_token_in_the_address_works_on_the_page_only(guarded: House) -> None:
    assert guarded.ask("/api/punches?token=s3cret-token").status == 401


def test_wrong_token_in_the_address_is_refused(guarded: House) -> None:
    answer = guarded.ask("/?token=s3cret")

    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_sign_in_form_takes_the_token(guarded: House) -> None:
    form = guarded.ask("/", headers={"Accept": "text/html"})
    answer = guarded.ask("/", "POST", b"token=s3cret-token")

    assert form.status == 401
    assert b"<form" in form.body
    assert (answer.status, "set-cookie" in answer.headers) == (303, True)


def test_sign_in_form_takes_no_large_body(guarded: House) -> None:
    assert guarded.ask("/", "POST", b"token=" + b"x" * 20_000).status == 413


def test_forged_cookie_is_refused(guarded: House) -> None:
    assert guarded.ask("/api/punches", headers={"Cookie": "zkbridge=0"}).status == 401


def test_the_form_may_have_its_looks(guarded: House) -> None:
    assert guarded.ask("/static/page.css").status == 200


def test_supervisor_and_this_machine_come_in_by_ingress() -> None:
    assert caller_of(ADDON, SUPERVISOR, {}) is Caller.SUPERVISOR
    assert caller_of(ADDON, f"::ffff:{SUPERVISOR}", {}) is Caller.SUPERVISOR
    assert caller_of(ADDON, "127.0.0.1", {}) is Caller.LOCAL


@pytest.mark.parametrize("peer", ["172.30.32.1", "172.30.33.7", "192.168.1.9", None, "nonsense"])
def test_nobody_else_comes_in_by_ingress(peer: str | None) -> None:
    assert caller_of(ADDON, peer, {"x-ingress-path": "/x"}) is Caller.STRANGER


def test_supervisors_address_means_nothing_outside_the_addon() -> None:
    assert caller_of(OPEN, SUPERVISOR, {}) is Caller.STRANGER


def test_this_machine_needs_the_token_where_there_is_one() -> None:
    assert caller_of(OPEN, "127.0.0.1", {}) is Caller.STRANGER


def test_ingress_path_becomes_the_pages_base(tmp_path: Path) -> None:
    with House(tmp_path, ingress=True) as addon:
        answer = addon.ask("/", headers={"X-Ingress-Path": "/api/hassio_ingress/aB3_-x"})

    assert b'<base href="/api/hassio_ingress/aB3_-x/">' in answer.body
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_ingress_path_of_anybody_is_ignored(house: House) -> None:
    answer = house.ask("/", headers={"X-Ingress-Path": "/evil"})

    assert b"<base" not in answer.body
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/a/../b", '/"><script>', "/a//b", "", "/"]
)
def test_ingress_path_that_is_none_is_ignored(path: str) -> None:
    assert ingress_path(ADDON, {"x-ingress-path": path}, Caller.SUPERVISOR) is None


def test_request_with_the_pages_token_is_not_forged() -> None:
    headers = {"host": "localhost", "origin": "http://localhost", "x-csrf-token": "c"}

    assert not forged(LOOPBACK, headers, Caller.LOCAL)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost"},
        {"host": "localhost", "x-csrf-token": "wrong"},
        {"host": "localhost", "x-csrf-token": "c", "origin": "http://evil.example"},
        {"host": "localhost", "x-csrf-token": "c", "origin": "null"},
        {"host": "localhost", "x-csrf-token": "c", "sec-fetch-site": "cross-site"},
    ],
)
def test_other_sites_requests_are_forged(headers: dict[str, str]) -> None:
    assert forged(LOOPBACK, headers, Caller.LOCAL)


def test_forged_request_reaches_no_terminal(house: House) -> None:
    answer = house.ask("/api/terminal-test", "POST", b'{"host": "10.0.0.1"}')

    assert answer.status == 403
    assert not house.tried


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/api/overview", "/nope", "/healthz"])
def test_every_answer_is_sealed(house: House, path: str) -> None:
    headers = house.ask(path).headers

    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_page_has_no_inline_code_and_nothing_from_elsewhere(house: House) -> None:
    html = house.ask("/").body.decode()

    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"\son\w+=|\sstyle=|<style", html)
    assert not re.findall(r"(?:src|href)=\"(?:[a-z]+:)?//", html)
    assert not re.findall(r"(?:src|href)=\"/", html), "absolute paths break below a prefix"
