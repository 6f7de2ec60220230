"""What the isolation proof found, in words; asked by whoever judges a configuration."""

from __future__ import annotations

from b2router import isolation
from b2router.config import BackblazeConfig
from b2router.errors import Problem
from b2router.isolation import Leak

__all__ = ["isolation_problems"]


def isolation_problems(config: BackblazeConfig) -> list[Problem]:
    """What the isolation proof found, as problems of the configuration."""
    return [
        Problem(
            "leak",
            f"profiles.{leak.profile}",
            f"{leak}.",
            f"Give '{leak.profile}' and '{leak.through}' {_apart(leak)}, or make '{leak.through}' at least as strict.",
        )
        for leak in isolation.leaks(config)
    ]


def _apart(leak: Leak) -> str:
    if leak.is_by_address:
        return "addresses of their own at the CDN (by path or the secret that signs; by base_url where one is open)"
    opens_all = " (a public address opens its whole bucket)" if "://" in leak.address else ""
    return f"a bucket each, or locations that do not contain each other{opens_all}"
