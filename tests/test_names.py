"""The gate for file names: what passes, what is refused, and that nothing is changed on the way."""

import pytest

from b2router import names
from b2router.errors import InvalidName


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a", id="one letter"),
        pytest.param("invoices/2026/№ 7.pdf", id="folders, spaces, unicode"),
        pytest.param("...", id="three dots are a name"),
        pytest.param(".hidden/..x/x..", id="dots inside a segment"),
        pytest.param("a%2Fb", id="a percent sign is a percent sign"),
        pytest.param("100%", id="unfinished escape"),
        pytest.param("a;b=c?d#e&f+g", id="what URLs give a meaning"),
        pytest.param("a\\b", id="a backslash is no separator in B2"),
        pytest.param("\u202eexe.pdf", id="turned writing is a legal name"),
        pytest.param("C:/x", id="drive letter"),
        pytest.param("x" * 250 + "/" + "y" * 250, id="longest segments"),
        pytest.param("é" * 125, id="250 bytes in UTF-8"),
        pytest.param(" leading and trailing ", id="spaces at the ends"),
        pytest.param("Ａ．．", id="fullwidth look-alikes are other characters"),
    ],
)
def test_a_legal_name_passes_unchanged(name: str) -> None:
    """Two spellings of one file would be a way around a rule, so nothing is normalised."""
    assert names.check(name) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="dot"),
        pytest.param("..", id="two dots"),
        pytest.param("../x", id="parent, RFC 3986 5.2.4"),
        pytest.param("a/../b", id="parent inside"),
        pytest.param("a/./b", id="same folder"),
        pytest.param("a/..", id="parent at the end"),
        pytest.param("/a", id="leading slash"),
        pytest.param("a/", id="trailing slash"),
        pytest.param("a//b", id="empty segment"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("a\nb", id="line feed"),
        pytest.param("a\r\nSet-Cookie: x", id="header injection"),
        pytest.param("a\tb", id="tab"),
        pytest.param("a\x7fb", id="DEL"),
        pytest.param("x" * 251, id="segment too long"),
        pytest.param("é" * 126, id="segment too long in bytes"),
        pytest.param("/".join(["x" * 200] * 6), id="name too long"),
        pytest.param("a\ud800", id="lone surrogate"),
    ],
)
def test_an_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        names.check(name)


def test_a_name_must_be_text() -> None:
    with pytest.raises(InvalidName, match="bytes"):
        names.check(b"a")  # type: ignore[arg-type]


def test_a_name_has_as_many_bytes_as_a_key() -> None:
    longest = "/".join(["x" * 203] * 5) + "/yyy"
    assert len(names.check(longest + "y")) == 1024
    with pytest.raises(InvalidName, match="1025"):
        names.check(longest + "yy")


def test_the_key_is_location_and_name() -> None:
    assert names.key("invoices/", "2026/7.pdf") == "invoices/2026/7.pdf"


def test_location_and_name_together_fit_into_a_key() -> None:
    """B2 counts both: 1,024 bytes."""
    location, name = "l" * 99 + "/", "/".join(["x" * 230] * 4)
    assert len(names.key(location, name)) == 1023
    with pytest.raises(InvalidName, match="Location"):
        names.key("l" * 102 + "/", name)


def test_no_error_shows_the_name() -> None:
    """Names come from visitors; logs and pages that quote them carry their markup along."""
    with pytest.raises(InvalidName) as error:
        names.check("<script>/../x")
    assert "script" not in str(error.value)
