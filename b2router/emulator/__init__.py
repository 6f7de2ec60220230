"""A B2 over HTTP on loopback, on disk: for development, demonstrations and tests, never for production.

Read in this order: `server` (what Python sees), `listener`, `connection` and `exchange` (a request's way), `routes`
(the table of operations), `downloads`, `uploads`, `largefiles`, `listings`, `buckets`, `keys`, `s3`; below them
`world`, `access`, `tokens`, `database`, `blobs`; aside of them `faults`, `mishaps`, `meter` and `control`.
"""

from __future__ import annotations

from b2router.emulator.faults import Fault, MetFault
from b2router.emulator.meter import CallRecord
from b2router.emulator.server import Emulator

__all__ = ["CallRecord", "Emulator", "Fault", "MetFault"]
