"""Ways to answer with a file from B2, each in as few lines as it takes: no permission, no range, no retry, no check."""

from functools import cache
from io import BytesIO

import requests
import urllib3
from b2sdk.v3 import B2Api, Bucket, InMemoryAccountInfo
from common.settings import BUCKETS, KEY, KEY_ID, REALM
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

CONNECTIONS = 64
BLOCK_BYTES = 512 * 1024


def through_new_b2sdk(request: HttpRequest, name: str) -> HttpResponse:
    """b2sdk, made and logged in for each request."""
    return _downloaded(_logged_in().get_bucket_by_name(BUCKETS["public"]), name)


def through_kept_b2sdk(request: HttpRequest, name: str) -> HttpResponse:
    """b2sdk, logged in once, with the connections that it keeps."""
    return _downloaded(_kept_bucket(), name)


def through_requests(request: HttpRequest, name: str) -> HttpResponse:
    """One session of requests for all threads."""
    answer = _session().get(_address(name), headers=_token())
    return HttpResponse(answer.content, status=answer.status_code, content_type=answer.headers["Content-Type"])


def through_urllib3(request: HttpRequest, name: str) -> HttpResponse:
    """One pool of urllib3 for all threads."""
    answer = _pool().request("GET", _address(name), headers=_token())
    return HttpResponse(answer.data, status=answer.status, content_type=answer.headers["Content-Type"])


def streamed_through_urllib3(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """The same pool; the body in blocks, as they come."""
    answer = _pool().request("GET", _address(name), headers=_token(), preload_content=False)
    response = StreamingHttpResponse(
        answer.stream(BLOCK_BYTES), status=answer.status, content_type=answer.headers["Content-Type"]
    )
    response.headers["Content-Length"] = answer.headers["Content-Length"]
    return response


def _downloaded(bucket: Bucket, name: str) -> HttpResponse:
    file, content = bucket.download_file_by_name(name), BytesIO()
    file.save(content, allow_seeking=False)
    return HttpResponse(content.getvalue(), content_type=file.download_version.content_type)


def _logged_in() -> B2Api:
    api = B2Api(InMemoryAccountInfo())
    api.authorize_account(KEY_ID, KEY, REALM)
    return api


@cache
def _kept_bucket() -> Bucket:
    return _logged_in().get_bucket_by_name(BUCKETS["public"])


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
    return session


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(maxsize=CONNECTIONS)


def _address(name: str) -> str:
    return f"{_kept_bucket().api.account_info.get_download_url()}/file/{BUCKETS['public']}/{name}"


def _token() -> dict[str, str]:
    return {"Authorization": _kept_bucket().api.account_info.get_account_auth_token()}
