"""Which pages may show a file in a frame: what a profile can say, and what browsers are told."""

from __future__ import annotations

from typing import Any

import pytest

from b2router import framing
from b2router.config import BackblazeConfig
from b2router.errors import ConfigError
from b2router.settings import Layer, build


def configured(frames: Any) -> BackblazeConfig:
    profile = {"bucket": "acme-media", "frames": frames}
    return build([Layer("BACKBLAZE_CONFIG", {"profiles": {"x": profile}}, "settings")])


@pytest.mark.parametrize(
    ("frames", "policy", "option"),
    [
        ("same-origin", "frame-ancestors 'self'", "SAMEORIGIN"),
        ("deny", "frame-ancestors 'none'", "DENY"),
        ("any", "frame-ancestors *", None),
        (["https://partner.example"], "frame-ancestors 'self' https://partner.example", None),
        (
            ["https://*.partner.example", "http://localhost:3000", "https://[::1]:8443"],
            "frame-ancestors 'self' https://*.partner.example http://localhost:3000 https://[::1]:8443",
            None,
        ),
    ],
)
def test_browsers_are_told(frames: Any, policy: str, option: str | None) -> None:
    """X-Frame-Options can name nobody; browsers that know `frame-ancestors` do not look at it."""
    said = framing.headers(configured(frames).profiles["x"].frames)
    assert said == {"Content-Security-Policy": policy} | ({"X-Frame-Options": option} if option else {})


@pytest.mark.parametrize(
    "origin",
    [
        "partner.example",
        "https://partner.example/",
        "https://partner.example/page",
        "https://Partner.example",
        "https://",
        "https://*",
        "https://a.*.example",
        "https://user@partner.example",
        "https://partner.example:",
        "https://partner.example; script-src *",
        "https://partner.example, https://x.example",
        "https://partner.example\r\nX-Evil: 1",
        "https://partner.example\n",
        "ftp://partner.example",
        "'self'",
        "*",
        "",
    ],
)
def test_an_origin_is_scheme_and_host(origin: str) -> None:
    """It stands in a header, among others."""
    with pytest.raises(ConfigError, match=r"profiles\.x\.frames\.1") as error:
        configured(["https://partner.example", origin])
    assert "expected scheme and host in lower case, such as 'https://partner.example'" in str(error.value)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("sameorigin", "found 'sameorigin'; expected 'same-origin', 'deny', 'any' or a list of origins"),
        ([], "at least one"),
        (True, "expected 'same-origin', 'deny', 'any' or a list of origins"),
        ({"any": True}, "expected 'same-origin', 'deny', 'any' or a list of origins"),
    ],
)
def test_another_word_is_refused(frames: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"profiles\.x\.frames") as error:
        configured(frames)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("text", "frames"), [("deny", "deny"), ('["https://partner.example"]', ("https://partner.example",))]
)
def test_it_can_come_from_the_environment(
    text: str, frames: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    from b2router.router import current_router

    settings.BACKBLAZE_CONFIG = {"profiles": {"x": {"bucket": "acme-media"}}}
    monkeypatch.setenv("BACKBLAZE_PROFILES__X__FRAMES", text)
    assert current_router().config.profiles["x"].frames == frames
