"""The services that other tests stand on: they start, keep, forget and end; and a missing one is never passed over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.cache.backends.memcached import PyMemcacheCache
from django.core.cache.backends.redis import RedisCache

from tests import services
from tests.processes import listens
from tests.project.settings import cache, database

CACHES = {"redis": RedisCache, "memcached": PyMemcacheCache}


@pytest.mark.parametrize("service", [services.redis, services.memcached])
def test_a_cache_keeps_and_forgets(
    service: Callable[[Path], AbstractContextManager[services.Service]], tmp_path: Path
) -> None:
    with service(tmp_path) as running:
        settings = cache(running.url)
        opened = CACHES[service.__name__](settings["LOCATION"], {})
        opened.set("color", "blue")
        assert opened.get("color") == "blue"
        running.flush()
        assert opened.get("color") is None
        opened.close()
    assert not listens(urlsplit(running.url).port or 0)


def test_a_database_runs_while_it_is_wanted() -> None:
    with services.postgresql() as running:
        import psycopg

        with psycopg.connect(running.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert database(running.url)["USER"] == "b2router"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(running.url)


@pytest.mark.parametrize(
    ("required", "outcome"),
    [
        pytest.param("", pytest.skip.Exception, id="nothing"),
        pytest.param("nginx", pytest.skip.Exception, id="another one"),
        pytest.param("nginx, redis", pytest.fail.Exception, id="this one"),
        pytest.param("all", pytest.fail.Exception, id="all"),
    ],
)
def test_what_is_missing_is_named_and_fails_where_it_is_required(
    required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2ROUTER_REQUIRE", required)
    with pytest.raises(outcome, match="no-such-program is not installed: apt-get install redis-server"):
        services.need("redis", "no-such-program")
