"""How patient the site is with B2; part of the configuration, carried out by `b2.budget` and `b2.circuit`."""

from __future__ import annotations

from pydantic import Field

from b2router.values import Model, Number, Whole

__all__ = ["Limits"]


class Limits(Model):
    """Bounds of a call on B2. The first three are for answers to visitors, who wait; the next for storage calls."""

    request_s: Number = Field(default=10, gt=0, le=300)
    """How long a visitor waits for the first byte at most, in seconds: a login and further tries included."""
    request_tries: Whole = Field(default=3, ge=1, le=20)
    """How often a call for a visitor is tried."""
    request_pause_s: Number = Field(default=2, ge=0, le=60)
    """The longest pause between two tries for a visitor, in seconds; when B2 asks for more, the visitor gets 503."""
    storage_s: Number = Field(default=60, gt=0, le=3600)
    """How long a storage call may take, in seconds; an upload: without getting on."""
    storage_tries: Whole = Field(default=5, ge=1, le=20)
    """How often a storage call is tried; an upload: without getting on."""
    storage_pause_s: Number = Field(default=20, ge=0, le=600)
    """The longest pause between two tries of a storage call, in seconds."""
    listing_s: Number = Field(default=600, gt=0, le=86_400)
    """How long a whole listing may take, in seconds."""
    connect_timeout_s: Number = Field(default=5, gt=0, le=60)
    """How long a connection may take to open, in seconds."""
    read_timeout_s: Number = Field(default=30, gt=0, le=600)
    """How long B2 may send nothing in the middle of an answer, in seconds."""
    retry_quota: Whole = Field(default=50, ge=0, le=10_000)
    """How many further tries a process makes in a row while B2 fails; each call that succeeds gives one tenth back."""
    circuit_failures: Whole = Field(default=5, ge=1, le=1000)
    """After so many failed calls in a row a process stops asking B2 for a while."""
    circuit_pause_s: Number = Field(default=5, ge=0, le=600)
    """How long it stops asking, in seconds; then one call tries whether B2 is back."""
    cap_pause_s: Number = Field(default=60, ge=0, le=3600)
    """How long it stops asking when a cap of the account is used up, in seconds."""
