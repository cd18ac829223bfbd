"""Real HTTP programs against real servers: a part of the table that scripts/http-table makes of all."""

import tempfile

import pytest
from teltest.web.catalog import ALL
from teltest.web.client_catalog import CLIENTS
from teltest.web.server_catalog import SERVERS
from teltest.web.site import Site

CLIENT_ROWS = (
    "curl", "curl https", "curl -L", "curl --http2", "curl -Z (20 URLs)", "curl -Z (20 URLs, h2)",
    "curl -T (2 MiB, 100-continue)", "curl -x (CONNECT)", "curl --unix-socket", "curl, nobody listens",
    "curl, no such host", "curl https, unknown authority", "wget", "wget https", "git clone http",
    "git clone https",
    "python3 urllib https", "python3 requests https", "python3 asyncio TLS (memory BIO)", "pycurl https",
    "aria2c https",
    "nghttp", "ab -k", "apt-get", "redis-benchmark", "node fetch https",
    "Boost.Beast", "cpp-httplib https", "POCO https", "cpprestsdk https", "Qt 6 https", "Qt 6 h2",
    "libsoup https", "OpenSSL's BIO https", "PHP curl", "PHP curl https", "PHP curl h2", "PHP streams https",
    "Ruby Net::HTTP https", "Perl LWP https",
    "curl --socks5", "curl --socks5-hostname, password", "curl --socks5-hostname https",
    "curl --socks4 (dante)", "curl --http2, nghttp -u (Upgrade: h2c)")
SERVER_ROWS = (
    "nginx", "nginx https", "nginx h2", "nginx, reverse proxy", "nginx, PUT", "apache2", "lighttpd",
    "haproxy",
    "python3 -m http.server", "C++ server, threads", "C++ server, threads, https", "redis-server",
    "libmicrohttpd https", "cpp-httplib server", "POCO server", "gunicorn", "uWSGI", "stunnel",
    "microsocks", "nginx, PROXY protocol", "python3 server, PROXY protocol", "haproxy, send-proxy",
    "apache2, Upgrade: h2c", "varnish, PURGE and BAN")


@pytest.fixture(scope="module")
def site():
    with tempfile.TemporaryDirectory(prefix="http-", dir="/tmp") as folder:  # sockets need short paths
        with Site(folder) as made:
            yield made


def passes(row):
    assert row.passed, "\n".join(row.problems)


@pytest.mark.parametrize("name", CLIENT_ROWS)
def test_client(site, name):
    passes(ALL[name](site))


@pytest.mark.parametrize("name", SERVER_ROWS)
def test_server(site, name):
    passes(ALL[name](site))


def test_rows_can_fail(site):
    """Without HTTP tracing nothing is emitted, and the rows say so: their counts are no decoration."""
    site.place.environment["TELEMETRY_HTTP"] = "false"
    try:
        rows = [CLIENTS["curl"](site), CLIENTS["python3 urllib https"](site), SERVERS["nginx"](site)]
    finally:
        del site.place.environment["TELEMETRY_HTTP"]
    assert [row.pairs for row in rows] == [0, 0, 0]
    assert [row.output for row in rows] == ["same"] * 3
    assert not any(row.passed for row in rows)
