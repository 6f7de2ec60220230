"""The X-Bz-Test-Mode header, made predictable: every third call meets it; called by `exchange`.

Source: Backblaze docs, integration checklist. The real service chooses its victims at random.
"""

from __future__ import annotations

from b2router.emulator.answers import Refusal
from b2router.emulator.world import Call

FAIL_UPLOADS = "fail_some_uploads"
EXPIRE_TOKENS = "expire_some_account_authorization_tokens"
FORCE_CAP = "force_cap_exceeded"
EVERY = 3

_STORING = frozenset({
    "b2_upload_file", "b2_upload_part", "b2_copy_file", "b2_copy_part", "b2_start_large_file",
    "b2_get_upload_url", "b2_get_upload_part_url",
})  # fmt: skip


def before(call: Call) -> None:
    """Refuse what the test mode of the request wants refused.

    Raises:
        Refusal: 503 for some uploads; 401 expired_auth_token for some calls; 403 for storing and downloads.
    """
    mode = call.request.headers.get("x-bz-test-mode")
    if mode is None:
        return
    name = call.operation
    if mode == FAIL_UPLOADS and name in ("b2_upload_file", "b2_upload_part") and _turn(call):
        raise Refusal(503, "service_unavailable", "Test mode: this upload fails")
    if mode == EXPIRE_TOKENS and name.startswith("b2_") and name != "b2_authorize_account" and _turn(call):
        raise Refusal(401, "expired_auth_token", "Test mode: this token has expired")
    if mode == FORCE_CAP and name in _STORING:
        raise Refusal(403, "storage_cap_exceeded", "Test mode: the cap is exceeded")
    if mode == FORCE_CAP and name in ("download", "head"):
        raise Refusal(403, "download_cap_exceeded", "Test mode: the cap is exceeded")


def _turn(call: Call) -> bool:
    call.world.test_mode_calls += 1
    return call.world.test_mode_calls % EVERY == 0
