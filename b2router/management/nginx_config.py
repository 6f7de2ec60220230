"""What nginx has to be told to deliver files after the site's permission; pure text, asked by the verb `nginx`.

Two parts, because nginx wants them in two places: maps in `http`, locations in `server`. Both are made from the
configuration alone and hold no secret. The reasons stand in the text itself, where the one who runs nginx reads them.
"""

from __future__ import annotations

from b2router.config import BackblazeConfig
from b2router.delivery.accel import CARRIED, FORWARDED
from b2router.management.nginx_sources import profiles, sources

__all__ = ["CONTEXTS", "text"]

CONTEXTS = ("http", "server")
"""The blocks of nginx's configuration that a part is for."""

_HIDDEN = """
    Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods
    Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age
    Alt-Svc Cache-Control Clear-Site-Data Content-Disposition Content-Language Content-Location Content-Type
    Cross-Origin-Embedder-Policy Expires Link Location NEL P3P Permissions-Policy Pragma Refresh Report-To
    Reporting-Endpoints Service-Worker-Allowed Set-Cookie SourceMap Timing-Allow-Origin Vary WWW-Authenticate
    x-amz-bucket-region x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-sha1
    x-amz-checksum-sha256 x-amz-checksum-type x-amz-delete-marker x-amz-expiration x-amz-id-2 x-amz-missing-meta
    x-amz-mp-parts-count x-amz-object-lock-legal-hold x-amz-object-lock-mode x-amz-object-lock-retain-until-date
    x-amz-replication-status x-amz-request-id x-amz-restore x-amz-server-side-encryption
    x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key-md5
    x-amz-storage-class x-amz-tagging-count x-amz-version-id x-amz-website-redirect-location
"""
"""What an S3 answer may carry beside the facts about its bytes. HSTS and its kin are in `FORWARDED`."""
_USUAL_INFO = ("hash_sha1", "large_file_sha1", "mtime", "src_last_modified_millis")
"""File information that the usual tools store with what they upload."""

_INFO_REMARK = """\
    # nginx hides headers by their full names. Other file information (x-amz-meta-...) is seen by whoever may read the
    # file, unless nginx has the module headers-more: see the option --headers-more."""

_ERRORS = (
    ("404", "404 410", "There is no such file."),
    ("412", "412", "The file is not the one you expected."),
    ("416", "416", "The file has no byte of this range."),
    ("503", "403 408 429 500 502 503 504", "The file store cannot be reached right now. Please try again later."),
    (
        "502",
        "300 301 302 303 305 307 308 400 401 402 405 406 409 411 413 414 415 421 431 501 505",
        "The file store gave an answer that makes no sense.",
    ),
)
"""What the visitor gets, what B2 answered then, and the text, which is that of the proxy."""


def text(
    config: BackblazeConfig, *, context: str | None, resolver: str, ca_file: str, hides_all_info: bool = False
) -> str:
    """The configuration, or the part of it for one block.

    Args:
        config: with at least one profile of mode accel.
        context: one of `CONTEXTS`; None for both, one after the other.
        resolver: address of a name server.
        ca_file: path of the trusted certificates, in PEM.
        hides_all_info: whether nginx has the module headers-more.
    Source: nginx documentation, "Module ngx_http_proxy_module" and "X-Accel".
    """
    made = {"http": _http(config), "server": _server(config, resolver, ca_file, hides_all_info=hides_all_info)}
    if context is not None:
        return made[context]
    return "\n".join(f"# ==== for the block {name} ====\n\n{made[name]}" for name in CONTEXTS)


def _http(config: BackblazeConfig) -> str:
    allowed = "\n".join(f'    "~^{source}" $upstream_http_location;' for source in sources(config))
    return f"""\
# Made by `manage.py b2router nginx`. Make it again when a bucket, an account or a realm changes.

# Where files may come from: these buckets at B2. Nothing else that the site may answer is ever fetched.
map $upstream_http_location $b2router_source {{
    default "";
{allowed}
}}

# One range of bytes at most.
map $http_range $b2router_one_range {{
    default "";
    "~*^bytes=[ ]*(?:[0-9]+-[0-9]*|-[0-9]+)[ ]*$" $http_range;
}}

# Ranges are for GET; B2 would also shorten the answer to a HEAD. If-Range is not known to B2: its ETag is asked for
# as If-Match, and when that fails the whole file is sent. With a date, or beside an If-Match, which comes first, the
# whole file is sent at once.
map "$request_method $http_if_match $http_if_range" $b2router_range {{
    default "";
    "~^GET .* $" $b2router_one_range;
    '~^GET  "[^"]*"$' $b2router_one_range;
}}
map "$http_if_match $http_if_range" $b2router_if_match {{
    default $b2router_strong_if_match;
    '~^ "[^"]*"$' $http_if_range;
}}

# A weak ETag matches nothing here, so one is asked for that no file has.
map $http_if_match $b2router_strong_if_match {{
    default $http_if_match;
    '~^(?:W/"[^"]*"[ ,]*)+$' '"-"';
}}

# What follows on a 412: the whole file, when it was the If-Range. And on a 416: the last bytes of an empty file are all
# that it has.
map "$http_if_match $http_if_range" $b2router_after_412 {{
    default @b2router_412;
    '~^ "[^"]*"$' $b2router_whole;
}}
map $http_range $b2router_after_416 {{
    default @b2router_416;
    "~*^bytes=[ ]*-[0-9]*[1-9]" $b2router_whole;
}}

# How long the file may be kept; not at all, when a cookie comes with it. Nothing is said when something in the site has
# forbidden to keep this answer: that stands.
map $upstream_http_set_cookie $b2router_allowed {{
    default "private, no-store";
    "" $upstream_http_x_b2_cache_control;
}}
map $upstream_http_cache_control $b2router_policy {{
    default $b2router_allowed;
    "~*no-store" "";
}}
"""


def _server(config: BackblazeConfig, resolver: str, ca_file: str, *, hides_all_info: bool) -> str:
    hidden = _hidden(config, hides_all_info=hides_all_info)
    locations = "\n".join(
        _location(place, hidden, resolver, ca_file) for place in sorted({place for _, place in profiles(config)})
    )
    return f"""\
# Made by `manage.py b2router nginx`. Make it again when a profile changes.
#
# The site permits or refuses a request. For a permitted one it names the file by an address at B2 that opens this one
# file for a minute; nginx fetches it from there, and the visitor never sees the address.

{locations}
{_answers()}"""


def _location(place: str, hidden: str, resolver: str, ca_file: str) -> str:
    kept = "\n".join(
        f"        set {_variable(header)} $upstream_http_{carrier.lower().replace('-', '_')};"
        for header, carrier in {**CARRIED, **dict(zip(FORWARDED, FORWARDED, strict=True))}.items()
        if header != "Cache-Control"
    )
    added = "\n".join(
        f"    add_header {header} {_variable(header)}{'' if header in CARRIED else ' always'};"
        for header in (*CARRIED, *FORWARDED)
    )
    errors = "\n".join(
        f"    error_page {answers} = {f'$b2router_at_{status}' if status in ('412', '416') else f'@b2router_{status}'};"
        for status, answers, _ in _ERRORS
    )
    return f"""\
location ^~ {place} {{
    internal;

    # Here the site's X-Accel-Redirect arrives. What the site said is kept before B2's answer takes its place.
    location = {place} {{
        set $b2router_address $b2router_source;
        set $b2router_send_range $b2router_range;
        set $b2router_send_if_match $b2router_if_match;
        set $b2router_whole {place}whole;
        set $b2router_at_412 $b2router_after_412;
        set $b2router_at_416 $b2router_after_416;
        set $b2router_cache_control $b2router_policy;
{kept}
        proxy_pass $b2router_address;
    }}

    # The ETag of an If-Range was not that of the file, or the file is empty.
    location = {place}whole {{
        set $b2router_send_range "";
        set $b2router_send_if_match $b2router_strong_if_match;
        set $b2router_at_412 @b2router_412;
        set $b2router_at_416 @b2router_416;
        proxy_pass $b2router_address;
    }}

    # Only these headers go to B2: no cookie, no login, nothing else that tells who the visitor is. The address is in a
    # variable, and so sent as it is: every name that B2 allows stays what it is.
    proxy_http_version 1.1;
    proxy_pass_request_headers off;
    proxy_pass_request_body off;
    proxy_set_header User-Agent b2router-nginx;
    proxy_set_header Connection "";
    proxy_set_header Content-Length "";
    proxy_set_header Range $b2router_send_range;
    proxy_set_header If-Match $b2router_send_if_match;
    proxy_set_header If-None-Match $http_if_none_match;
    proxy_set_header If-Modified-Since $http_if_modified_since;
    proxy_set_header If-Unmodified-Since $http_if_unmodified_since;

    # B2 has to prove that it is B2.
    resolver {resolver};
    proxy_ssl_server_name on;
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 4;
    proxy_ssl_trusted_certificate {ca_file};
    proxy_connect_timeout 5s;
    proxy_read_timeout 30s;  # for each block, not for the file
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries 3;
    proxy_next_upstream_timeout 10s;

    # B2 is read only so far ahead of the visitor, and nothing is written to disk: of a file that a visitor abandons,
    # no more than this is paid for.
    proxy_buffering on;
    proxy_buffer_size 16k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 256k;
    proxy_max_temp_file_size 0;
    proxy_cache off;
    proxy_store off;

    # What B2 says beside the facts about its bytes was chosen by an uploader: it neither steers nginx nor gets out.
    proxy_redirect off;
    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset
                         Expires Cache-Control Set-Cookie Vary;
    proxy_headers_hash_max_size 2048;
    proxy_headers_hash_bucket_size 128;
{hidden}

    # The headers that the site decided on; an empty one is left out. `add_header` of outer blocks has no effect here.
{added}

    # The bytes go out as they are stored, and nothing in them is taken for a command.
    gzip off;
    ssi off;
    expires off;

    # B2's texts about errors are not for visitors.
    proxy_intercept_errors on;
    recursive_error_pages on;
{errors}
}}
"""


def _hidden(config: BackblazeConfig, *, hides_all_info: bool) -> str:
    info = {*_USUAL_INFO, *(key.lower() for profile, _ in profiles(config) for key in profile.file_info)}
    names = sorted({*_HIDDEN.split(), *FORWARDED, *(f'"x-amz-meta-{key}"' for key in info)}, key=str.lower)
    rest = '    more_clear_headers "x-amz-*" "x-bz-*";' if hides_all_info else _INFO_REMARK
    return "\n".join([*(f"    proxy_hide_header {name};" for name in names), rest])


def _answers() -> str:
    return "\n".join(
        f"""\
location @b2router_{status} {{
    default_type "text/plain; charset=utf-8";
    add_header Cache-Control no-store always;
    add_header X-Content-Type-Options nosniff always;
    add_header Content-Security-Policy $b2router_content_security_policy always;
    add_header X-Frame-Options $b2router_x_frame_options always;
{_PASSED_ON.get(status, "")}    expires off;
    return {status} "{words}\\n";
}}
"""
        for status, _, words in _ERRORS
    )


_PASSED_ON = {
    "416": "    add_header Content-Range $upstream_http_content_range always;\n",
    "503": "    add_header Retry-After $upstream_http_retry_after always;\n",
}
"""What of B2's error is a fact for the visitor."""


def _variable(header: str) -> str:
    return f"$b2router_{header.lower().replace('-', '_')}"
