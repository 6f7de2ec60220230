"""The example site's colours, measured: text must be readable by whoever sees badly, in both palettes."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "examples/site/library/static/library/site.css"
TEXT_ON_GROUND = [
    *[(text, ground) for text in ("ink", "muted", "accent") for ground in ("paper", "card", "sunken")],
    ("muted", "quiet-soft"),
    ("ink", "quiet-soft"),
    ("accent-ink", "accent"),
    ("good", "good-soft"),
    ("good", "sunken"),
    ("ask", "ask-soft"),
    ("bad", "bad-soft"),
]
TONES = ("teal", "blue", "violet", "amber", "rose")
Colour = tuple[float, float, float]


def palettes() -> dict[str, dict[str, Colour]]:
    css = CSS.read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)", 1)
    dark = dark[: dark.index("\n}\n")]
    return {"light": colours(light), "dark": colours(dark)}


def colours(css: str) -> dict[str, Colour]:
    return {
        name: (int(value[0:2], 16) / 255, int(value[2:4], 16) / 255, int(value[4:6], 16) / 255)
        for name, value in re.findall(r"--([\w-]+): #([0-9a-f]{6});", css)
    }


def contrast(one: Colour, other: Colour) -> float:
    """WCAG 2.2, "contrast ratio" and "relative luminance"."""
    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mixed(colour: Colour, ground: Colour, share: float) -> Colour:
    red, green, blue = (one * share + other * (1 - share) for one, other in zip(colour, ground, strict=True))
    return red, green, blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON_GROUND)
def test_text_stands_out_from_its_ground(scheme: str, text: str, ground: str) -> None:
    """WCAG 2.2, 1.4.3 Contrast (Minimum), level AA: 4.5 to 1."""
    palette = palettes()[scheme]
    assert contrast(palette[text], palette[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tone", TONES)
def test_the_letters_on_a_profiles_tile_stand_out(scheme: str, tone: str) -> None:
    """The tile's ground is the tone itself, mixed into the card; its letters are small text."""
    palette = palettes()[scheme]
    assert contrast(palette[tone], mixed(palette[tone], palette["card"], 0.13)) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "card", "sunken"])
def test_the_focus_ring_is_seen_everywhere(scheme: str, ground: str) -> None:
    """WCAG 2.2, 1.4.11 Non-text Contrast: 3 to 1."""
    palette = palettes()[scheme]
    assert contrast(palette["focus"], palette[ground]) >= 3
