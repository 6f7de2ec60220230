"""What a site can listen to; sent by `records`.

Receivers run in the thread that did the work, after it: what they raise is logged by Django, and breaks no download.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["operation_finished"]

operation_finished = Signal(use_caching=True)
"""An operation has ended: an answer of the proxy view, after its last byte, or a call of a storage.

Sent with `sender`, the class `b2router.records.Record`, and `record`, an instance of it.
"""
