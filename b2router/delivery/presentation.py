"""How the site's own code wants one file presented, beside what its profile declares; made by views and `redirect`.

It can make neither an unsafe type run, nor what is not for everybody public: that is seen to where it is carried out,
in `headers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from b2router.config import CachePolicy

__all__ = ["AS_DECLARED", "Disposition", "Presentation"]

Disposition = Literal["inline", "attachment"]


@dataclass(frozen=True, slots=True)
class Presentation:
    """What one answer says other than usual.

    Attributes:
        download_as: the name to save the file under; None for its own.
        disposition: whether browsers are to show or to save it; None to show what is safe to show, unless a name to
            save it under is given.
        cache: how long it may be kept; None for what the profile says.
    Raises:
        ValueError: there is no such disposition, or the name would break the header that it stands in.
    """

    download_as: str | None = None
    disposition: Disposition | None = None
    cache: CachePolicy | None = None

    def __post_init__(self) -> None:
        if self.disposition not in (None, "inline", "attachment"):
            raise ValueError(f"Found the disposition {self.disposition!r}, expected 'inline', 'attachment' or None.")
        if self.download_as is not None and any(ord(char) < 32 or ord(char) == 127 for char in self.download_as):
            raise ValueError("Found control characters in the name to save a file under, expected none.")

    def is_inline(self, *, is_safe: bool) -> bool:
        """Whether browsers are to show a file, whose type they run or do not."""
        if self.disposition is not None:
            return self.disposition == "inline"
        return is_safe and self.download_as is None


AS_DECLARED = Presentation()
"""As the profile says, in all."""
