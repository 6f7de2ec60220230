"""Who may download: account tokens, download authorizations, public buckets; asked by `downloads`."""

from __future__ import annotations

from urllib.parse import parse_qsl

from b2router.emulator import bucket_store, metadata, naming
from b2router.emulator.access import Caller, authenticate, caller_of_key
from b2router.emulator.answers import Json, Refusal, bad_request, unauthorized
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.tokens import Tokens
from b2router.emulator.world import Call

MAX_DURATION_S = 7 * 24 * 3600
OVERRIDES = {
    "b2CacheControl": "Cache-Control",
    "b2ContentDisposition": "Content-Disposition",
    "b2ContentEncoding": "Content-Encoding",
    "b2ContentLanguage": "Content-Language",
    "b2ContentType": "Content-Type",
    "b2Expires": "Expires",
}


def get_download_authorization(call: Call) -> Json:
    """Make a token that opens the names under a prefix, for at most seven days.

    Overrides named here have to be repeated in every address that uses the token.
    """
    fields, world = call.fields, call.world
    bucket_id = fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    prefix = fields.optional_text("fileNamePrefix")
    if prefix is None:
        raise bad_request("required field fileNamePrefix is missing")
    naming.name_prefix(prefix)
    call.caller.require_name(prefix)
    duration_s = fields.integer("validDurationInSeconds", None, 1, MAX_DURATION_S)
    bucket_store.by_id(world.database, bucket_id)
    overrides = {name: fields.text(name) for name in OVERRIDES if fields.has(name)}
    _require_printable(overrides)
    token = world.tokens.make(
        "dnld", world.now_ms() + duration_s * 1000, k=call.caller.key_id, b=bucket_id, p=prefix, o=overrides
    )
    return {"authorizationToken": token, "bucketId": bucket_id, "fileNamePrefix": prefix}


def query_of(call: Call) -> dict[str, str]:
    """Return the query string of a call; the first of a repeated name counts.

    Raises:
        Refusal: 400, not decodable, or more than a hundred names.
    """
    try:
        pairs = parse_qsl(call.request.query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise bad_request("Bad character in percent-encoded string") from None
    return dict(reversed(pairs))


def authorize(call: Call, bucket: Bucket, name: str | None, query: dict[str, str]) -> Caller:
    """Return the rights with which a download goes on.

    Args:
        call: the download.
        bucket: the bucket asked.
        name: the file name; None for a download by id, whose name is not known yet.
        query: the query string, with token and overrides.
    Raises:
        Refusal: 401.
    """
    token = call.request.headers.get("authorization") or query.get("Authorization") or ""
    overrides = {key: value for key, value in query.items() if key in OVERRIDES}
    _require_printable(overrides)
    if not token:
        if overrides:
            raise unauthorized("overrides need an authorized request")
        if not bucket.is_public:
            raise unauthorized("the bucket is private and the request has no token")
        return Caller.nobody()
    if Tokens.kind(token) == "dnld":
        return _by_download_token(call, bucket, name, token, overrides)
    caller = authenticate(call.world, token)
    if not bucket.is_public:
        caller.require("readFiles")
        caller.require_bucket(bucket.id)
        if name is not None:
            caller.require_name(name)
    return caller


def override_headers(query: dict[str, str]) -> dict[str, str]:
    """Return the headers that the query string asks for."""
    return {OVERRIDES[name]: value for name, value in query.items() if name in OVERRIDES}


def _by_download_token(call: Call, bucket: Bucket, name: str | None, token: str, overrides: dict[str, str]) -> Caller:
    facts = call.world.tokens.read(token, "dnld", call.world.now_ms())
    caller_of_key(call.world, str(facts["k"]))  # deleting the key ends its download tokens
    if name is None:
        raise unauthorized("a download authorization is for downloads by name")
    if facts["b"] != bucket.id or not name.startswith(facts["p"]):
        raise unauthorized("the download authorization is for other files")
    if facts["o"] and facts["o"] != overrides:
        raise unauthorized("the overrides differ from those of the download authorization")
    return Caller.nobody()


def _require_printable(overrides: dict[str, str]) -> None:
    for name, value in overrides.items():
        if not metadata.is_printable(value):
            raise Refusal(400, "bad_request", f"{name} is not a valid header value")
