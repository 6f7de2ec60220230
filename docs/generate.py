"""Writes the pages and the picture that are made from the code; `--check` only compares.

python3 noxfile.py schema               these, and the JSON Schema
python3 noxfile.py schema -- --check    say whether they are current
"""

from __future__ import annotations

import sys

import architecture
import broken
import reference
from django.conf import settings


def main(words: list[str]) -> int:
    """Write each, or compare it."""
    import django

    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "b2router"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()
    outdated = []
    for path, make in (
        (reference.PAGE, reference.page),
        (broken.PAGE, broken.page),
        (architecture.PICTURE, architecture.picture),
    ):
        made = make()
        if "--check" not in words:
            path.write_text(made, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != made:
            outdated.append(path.name)
    if outdated:
        print(f"Not current: {', '.join(outdated)}; run: python3 noxfile.py schema", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
