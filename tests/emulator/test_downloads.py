"""Downloads: headers as on the wire, who may, overrides, tokens in addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Reply, Wire


@pytest.fixture
def ids(wire: Wire) -> dict[str, str]:
    made = {}
    for name in ("acme-public", "acme-staff"):
        made[name] = wire.upload(wire.bucket_id(name), "dir/a.txt", X_Bz_Info_Color="sky%20blue").json["fileId"]
    return made


def share(wire: Wire, prefix: str = "dir/", **fields: Any) -> str:
    fields = {"validDurationInSeconds": 60} | fields
    made = wire.ok(
        "b2_get_download_authorization", bucketId=wire.bucket_id("acme-staff"), fileNamePrefix=prefix, **fields
    )
    return str(made["authorizationToken"])


def test_a_name_is_no_signature(wire: Wire) -> None:
    """An address by S3 has parameters that begin with it; a name for the download may be called so."""
    wire.upload(wire.bucket_id("acme-public"), "X-Amz-a.txt")
    given = "b2ContentDisposition=attachment%3B%20filename%3D%22X-Amz-a.txt%22"
    assert wire.send("GET", f"/file/acme-public/X-Amz-a.txt?{given}", {"Authorization": wire.token}).status == 200


def test_headers_of_a_download(wire: Wire, ids: dict[str, str]) -> None:
    """No ETag, no Last-Modified, no Cache-Control: recorded, and the reason for b2router's own validators."""
    reply = wire.get("acme-staff", "dir/a.txt")
    headers = {k: v for k, v in reply.headers.items() if k not in ("date", "x-bz-upload-timestamp", "connection")}
    assert headers == {
        "accept-ranges": "bytes",
        "content-length": "10",
        "content-type": "text/plain",
        "x-bz-content-sha1": "87acec17cd9dcd20a716cc2cf67417b71c8a7016",
        "x-bz-file-id": ids["acme-staff"],
        "x-bz-file-name": "dir/a.txt",
        "x-bz-info-color": "sky%20blue",
    }
    assert reply.body == b"0123456789"


def test_head_has_the_headers_of_get_and_no_body(em: Emulator, wire: Wire, ids: dict[str, str]) -> None:
    """By name and by id; counted as head."""
    em.reset_counts()
    auth = {"Authorization": wire.token}
    for target in ("/file/acme-staff/dir/a.txt", f"/b2api/v4/b2_download_file_by_id?fileId={ids['acme-staff']}"):
        head, get = wire.send("HEAD", target, auth), wire.send("GET", target, auth)
        head.headers.pop("date"), get.headers.pop("date")
        assert (head.status, head.headers, head.body) == (200, get.headers, b"")
    assert em.calls() == {"head": 2, "download": 2}
    assert em.classes() == {"B": 4}


def test_by_id_with_post(wire: Wire, ids: dict[str, str]) -> None:
    """The docs allow POST with JSON."""
    assert wire.call("b2_download_file_by_id", fileId=ids["acme-staff"]).body == b"0123456789"


def test_info_that_becomes_plain_headers(wire: Wire) -> None:
    """b2-cache-control and its like are not repeated as X-Bz-Info."""
    info = {
        "cache-control": "max-age=5",
        "content-disposition": 'attachment; filename="x"',
        "content-language": "de",
        "content-encoding": "gzip",
        "expires": "Wed, 21 Oct 2105 07:28:00 GMT",
    }
    headers = {f"X_Bz_Info_b2_{key.replace('-', '_')}": quote(value) for key, value in info.items()}
    wire.upload(wire.bucket_id("acme-staff"), "a", **headers)
    reply = wire.get("acme-staff", "a")
    assert {key: reply.headers[key] for key in info} == info
    assert not [name for name in reply.headers if name.startswith("x-bz-info-")]


def test_cache_control_of_the_bucket(wire: Wire, ids: dict[str, str]) -> None:
    """Bucket info Cache-Control, unless the file has its own."""
    wire.ok(
        "b2_update_bucket",
        accountId=wire.account["accountId"],
        bucketId=wire.bucket_id("acme-public"),
        bucketInfo={"Cache-Control": "max-age=60"},
    )
    assert wire.get("acme-public", "dir/a.txt").headers["cache-control"] == "max-age=60"


@pytest.mark.parametrize("name", ["dir/a.txt", "missing"])
def test_private_bucket_does_not_say_what_it_holds(wire: Wire, ids: dict[str, str], name: str) -> None:
    """401 comes before 404 for those without the right."""
    assert wire.send("GET", f"/file/acme-staff/{name}").error == (401, "unauthorized")
    assert wire.send("HEAD", f"/file/acme-staff/{name}").status == 401
    other = ids["acme-staff"] if name == "dir/a.txt" else ids["acme-staff"][:-1] + "0"
    assert wire.send("GET", f"/b2api/v4/b2_download_file_by_id?fileId={other}").error == (401, "unauthorized")


def test_public_bucket_needs_no_token_but_a_wrong_one_is_refused(wire: Wire, ids: dict[str, str]) -> None:
    """By name and by id."""
    assert wire.send("GET", "/file/acme-public/dir/a.txt").status == 200
    assert wire.send("GET", f"/b2api/v1/b2_download_file_by_id?fileId={ids['acme-public']}").status == 200
    assert wire.send("GET", "/file/acme-public/missing").error == (404, "not_found")
    assert wire.send("GET", "/file/no-such-bucket/x").error == (404, "not_found")
    assert wire.send("GET", "/file/acme-public/dir/a.txt", {"Authorization": "x"}).error == (401, "bad_auth_token")


def shared(wire: Wire, token: str, name: str = "dir/a.txt", query: str = "") -> Reply:
    return wire.send("GET", f"/file/acme-staff/{name}?Authorization={quote(token)}{query}")


def test_download_authorization_opens_a_prefix(wire: Wire, ids: dict[str, str]) -> None:
    """A plain string prefix; by name only; in the header or in the query."""
    token = share(wire, "dir/a")
    assert shared(wire, token).status == 200
    assert wire.send("GET", "/file/acme-staff/dir/a.txt", {"Authorization": token}).status == 200
    assert shared(wire, token, "dir/b").error == (401, "unauthorized")
    assert shared(wire, share(wire, "di")).status == 200
    by_id = f"/b2api/v4/b2_download_file_by_id?fileId={ids['acme-staff']}"
    assert wire.send("GET", by_id, {"Authorization": token}).error == (401, "unauthorized")
    elsewhere = wire.send("GET", "/file/acme-public/dir/a.txt", {"Authorization": token})
    assert elsewhere.error == (401, "unauthorized")


def test_download_authorization_expires(wire: Wire, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """After validDurationInSeconds; the clock is set ahead instead of waiting."""
    import time

    token = share(wire, validDurationInSeconds=2)
    assert shared(wire, token).status == 200
    later = int(time.time() * 1000) + 2001
    monkeypatch.setattr("b2router.emulator.world.World.now_ms", staticmethod(lambda: later))
    assert shared(wire, token).error == (401, "expired_auth_token")


@pytest.mark.parametrize("seconds", [0, 604_801, "60", None])
def test_bad_durations(wire: Wire, seconds: object) -> None:
    """1 second to 7 days."""
    reply = wire.call(
        "b2_get_download_authorization",
        bucketId=wire.bucket_id("acme-staff"),
        fileNamePrefix="",
        validDurationInSeconds=seconds,
    )
    assert reply.error[0] == 400


def test_overrides_of_a_token_have_to_be_repeated(wire: Wire, ids: dict[str, str]) -> None:
    """Identically, in the address."""
    token = share(wire, b2ContentDisposition="attachment; filename=x")
    assert shared(wire, token).error == (401, "unauthorized")
    assert shared(wire, token, query="&b2ContentDisposition=inline").error == (401, "unauthorized")
    reply = shared(wire, token, query="&b2ContentDisposition=attachment%3B+filename%3Dx")
    assert (reply.status, reply.headers["content-disposition"]) == (200, "attachment; filename=x")


def test_overrides_need_an_authorized_request(wire: Wire, ids: dict[str, str]) -> None:
    """Even in a public bucket."""
    target = "/file/acme-public/dir/a.txt?b2ContentType=text%2Fhtml&b2CacheControl=no-store"
    assert wire.send("GET", target).error == (401, "unauthorized")
    reply = wire.send("GET", target, {"Authorization": wire.token})
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == ("text/html", "no-store")


def test_an_override_cannot_inject_a_header(wire: Wire, ids: dict[str, str]) -> None:
    """CR and LF are refused."""
    target = "/file/acme-public/dir/a.txt?b2ContentType=a%0D%0AX-Injected:%201"
    assert wire.send("GET", target, {"Authorization": wire.token}).error == (400, "bad_request")


def test_conditional_headers_have_no_meaning(wire: Wire, ids: dict[str, str]) -> None:
    """The native API never answers 304."""
    headers = {"If_None_Match": "*", "If_Modified_Since": "Wed, 21 Oct 2105 07:28:00 GMT"}
    assert wire.get("acme-public", "dir/a.txt", **headers).status == 200


def test_a_file_deleted_while_it_is_sent_arrives_whole(em: Emulator, wire: Wire) -> None:
    """The descriptor outlives the name."""
    content = bytes(8_000_000)
    made = wire.upload(wire.bucket_id("acme-public"), "big", content).json
    slow = Wire(em.url, em.key_id, em.key)
    slow._connection.request("GET", "/file/acme-public/big")
    response = slow._connection.getresponse()
    assert response.read(10) == bytes(10)
    wire.ok("b2_delete_file_version", fileId=made["fileId"], fileName="big")
    assert response.read() == content[10:]
