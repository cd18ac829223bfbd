"""Which clients the table has: curl in its ways, and those that use the same libraries or none.

Each is a function of a Site (site.py) that makes its row; CLIENTS names them.
"""

import re
import shutil
import subprocess
from pathlib import Path

from teltest.run import APPS, GRPC_FLAGS, build
from teltest.web.client_rows import client_row, quiet_row
from teltest.web.row import Row, compare_output, look_at

PYTHON = "/usr/bin/python3"  # Debian's: with its OpenSSL, requests and pycurl
CLIENTS = {}


def client(name):
    def add(function):
        CLIENTS[name] = function
        return function
    return add


def curl(*words):
    return ["/usr/bin/curl", "-q", "-sS", *words]


def simple(name, layer, words, expected, kind="plain", injects=None, **options):
    """A client whose words may be a function of the site's base URL, as "http://localhost:1234"."""
    def make(site):
        tap = site.tap if kind == "plain" else None
        base = f"http://localhost:{tap.port}" if tap else site.nginx.url("", kind.replace("direct", "plain"))
        chosen = {key: value(site) if callable(value) and key in ("before", "after", "cwd") else value
                  for key, value in options.items()}
        return client_row(site.place, site.nginx, name, layer, words(base, site), expected, tap=tap,
                          injects=injects, **chosen)
    CLIENTS[name] = make


LIBCURL = "libcurl"
simple("curl", f"{LIBCURL}, sockets", lambda base, site: curl(f"{base}/small.txt"), 1, injects=1,
       version="1.1")
simple("curl https", f"{LIBCURL}, OpenSSL", lambda base, site: curl(f"{base}/large.txt", f"{base}/small.txt"),
       2, "tls", injects=2, version="1.1")
simple("curl -L", f"{LIBCURL}, sockets", lambda base, site: curl("-L", f"{base}/redirect"), 3, injects=3)
simple("curl -L https", f"{LIBCURL}, OpenSSL", lambda base, site: curl("-L", f"{base}/redirect"), 3, "tls",
       injects=3)
simple("curl --http2", f"{LIBCURL}, nghttp2, OpenSSL",
       lambda base, site: curl("--http2", f"{base}/small.txt", f"{base}/large.txt", f"{base}/gone"), 3, "h2",
       injects=3, version="2")
simple("curl --http2-prior-knowledge", f"{LIBCURL}, nghttp2, sockets",
       lambda base, site: curl("--http2-prior-knowledge", f"{base}/large.txt"), 1, "h2c", injects=1,
       version="2")
simple("curl -I", f"{LIBCURL}, sockets", lambda base, site: curl("-I", f"{base}/large.txt"), 1, injects=1,
       clean=lambda text: re.sub(rb"(Date|ETag|Last-Modified): .*", b"", text))
simple("curl -f 404, 500, 204", f"{LIBCURL}, sockets",
       lambda base, site: curl("-f", f"{base}/gone", f"{base}/broken", f"{base}/nothing"), 3, injects=3)
simple("curl --compressed (chunked)", f"{LIBCURL}, sockets",
       lambda base, site: curl("--compressed", f"{base}/zipped.txt"), 1, injects=1)
simple("curl -d", f"{LIBCURL}, sockets", lambda base, site: curl("-d", "a=b", f"{base}/small.txt"), 1,
       injects=1)
simple("curl -x (http)", f"{LIBCURL}, sockets",
       lambda base, site: curl("-x", base, "http://elsewhere.test/small.txt"), 1, injects=1,
       statuses_known=False)
simple("curl -0", f"{LIBCURL}, sockets", lambda base, site: curl("-0", f"{base}/small.txt", f"{base}/1.txt"),
       2, injects=2, version="1.0")


def _parallel(base, site):
    folder = site.place.fresh("parallel")
    return curl("-Z", "--parallel-max", "8", f"{base}/[0-19].txt", "-o", f"{folder}/#1.txt")


def _no_progress(text):
    """curl -Z shows it in spite of -s."""
    return b"" if b"Xfers" in text else text


def _contents(name):
    return lambda site: lambda: {path.name: path.read_bytes()
                                 for path in sorted((site.place.folder / name).iterdir())}


def _empty(name):
    return lambda site: lambda: site.place.fresh(name)


simple("curl -Z (20 URLs)", f"{LIBCURL} multi, sockets", _parallel, 20, injects=20, before=_empty("parallel"),
       after=_contents("parallel"), clean=_no_progress)
simple("curl -Z (20 URLs, h2)", f"{LIBCURL} multi, nghttp2, OpenSSL", _parallel, 20, "h2", injects=20,
       version="2", before=_empty("parallel"), after=_contents("parallel"), clean=_no_progress)


def _upload(base, site):
    body = site.place.folder / "upload.bin"
    body.write_bytes(bytes(range(256)) * 8192)  # 2 MiB: with Expect: 100-continue
    return curl("-T", str(body), f"{base}/put/upload.bin")


def _no_upload(site):
    return lambda: (site.nginx.root / "put/upload.bin").unlink(missing_ok=True)


def _uploaded(site):
    return lambda: (site.nginx.root / "put/upload.bin").read_bytes()


simple("curl -T (2 MiB, 100-continue)", f"{LIBCURL}, sockets", _upload, 1, injects=1, before=_no_upload,
       after=_uploaded)
simple("curl -T https", f"{LIBCURL}, OpenSSL", _upload, 1, "tls", injects=1, before=_no_upload,
       after=_uploaded)
simple("curl -T --http2", f"{LIBCURL}, nghttp2, OpenSSL", _upload, 1, "h2", injects=1, before=_no_upload,
       after=_uploaded)


@client("curl --unix-socket")
def unix_socket(site):
    return client_row(site.place, site.nginx, "curl --unix-socket", f"{LIBCURL}, AF_UNIX",
                      curl("--unix-socket", site.unix_tap_path, "http://localhost/small.txt"), 1,
                      tap=site.unix_tap, injects=1)


@client("curl -x (CONNECT)")
def connect_proxy(site):
    """The CONNECT is an exchange of its own, with the proxy."""
    row = client_row(site.place, site.nginx, "curl -x (CONNECT)", f"{LIBCURL}, OpenSSL",
                     curl("-x", f"http://127.0.0.1:{site.proxy.port}", site.nginx.url(kind="tls")), 2,
                     statuses_known=False, injects=1, logged=1)
    row.check(site.proxy.connects == 2, f"the proxy got {site.proxy.connects} CONNECTs in both runs")
    row.logged = 1 + site.proxy.connects // 2
    return row


def _failing(name, url, status, error):
    def make(site):
        row = Row(name, LIBCURL, expected=1, wire="-")
        events = site.place.events_file()
        words = curl(url(site))
        alone, traced = site.place.run(words), site.place.run(words, events)
        compare_output(row, alone, traced, lambda text: re.sub(rb"after \d+ ms", b"", text))
        row.check(alone.status == status, f"untraced it ends with {alone.status}")
        found = look_at(row, events, "client")
        row.check(row.pairs == 1, f"{row.pairs} pairs, 1 is expected")
        row.check([exchange.error for exchange in found.all] == [error],
                  f"errors {[exchange.error for exchange in found.all]}, not {error}")
        row.note = f"error {error}"
        return row
    CLIENTS[name] = make


_failing("curl, nobody listens", lambda site: f"http://127.0.0.1:{site.closed_port}/x", 7,
         "CURLE_COULDNT_CONNECT")
_failing("curl, no such host", lambda site: "http://nothing.invalid/x", 6, "CURLE_COULDNT_RESOLVE_HOST")
_failing("curl https, unknown authority", lambda site: site.untrusted_url, 60,
         "CURLE_PEER_FAILED_VERIFICATION")

simple("wget", "sockets", lambda base, site: ["wget", "-q", "-O", "-", f"{base}/redirect", f"{base}/1.txt"],
       4, injects=0)
simple("wget https", "GnuTLS", lambda base, site: ["wget", "-q", "--ca-certificate", str(site.authority.ca),
                                                   "-O", "-", f"{base}/large.txt", f"{base}/1.txt"],
       2, "tls", injects=0)


def _clone(base, site):
    return ["git", "-c", "protocol.version=2", "clone", f"{base}/git/project.git", "clone"]


def _cloned(site):
    def contents():
        clone = site.place.folder / "clone"
        head = site.place.run(["git", "-C", clone, "rev-parse", "HEAD"]).out
        check = site.place.run(["git", "-C", clone, "fsck", "--full"])
        return head, check.status, sorted(str(path.relative_to(clone)) for path in clone.glob("*"))
    return contents


def _no_clone(site):
    return lambda: shutil.rmtree(site.place.folder / "clone", ignore_errors=True)


simple("git clone http", "libcurl-gnutls multi, sockets", _clone, 3, injects=3, before=_no_clone,
       after=_cloned, chunks_vary=True)
simple("git clone https", "libcurl-gnutls multi, GnuTLS or OpenSSL, h2 if offered", _clone, 3, "tls",
       injects=3,
       before=_no_clone, after=_cloned, chunks_vary=True)
simple("git clone https, h2", "libcurl-gnutls multi, nghttp2, GnuTLS", _clone, 3, "h2", injects=3,
       version="2",
       before=_no_clone, after=_cloned, chunks_vary=True)

_SCRIPTS = Path(__file__).resolve().parents[3] / "apps/http"


def python(script):
    return lambda base, site: [PYTHON, str(_SCRIPTS / script), base]


simple("python3 urllib", "sockets", python("use_urllib.py"), 3, injects=0)
simple("python3 urllib https", "OpenSSL", python("use_urllib.py"), 3, "tls", injects=0)
simple("python3 requests", "sockets", python("use_requests.py"), 5, injects=0)
simple("python3 requests https", "OpenSSL", python("use_requests.py"), 5, "tls", injects=0)
simple("python3 asyncio TLS (memory BIO)", "OpenSSL", python("use_asyncio.py"), 6, "tls", injects=0)
simple("pycurl", f"{LIBCURL} (dlopen'ed), sockets", python("use_pycurl.py"), 5, injects=5)
simple("pycurl https", f"{LIBCURL} (dlopen'ed), GnuTLS or OpenSSL", python("use_pycurl.py"), 5, "tls",
       injects=5)


def _aria2(base, site):
    return ["aria2c", "--no-conf", "-q", f"--ca-certificate={site.authority.ca}", "-x1", "-s1", "-j2",
            "-d", str(site.place.folder / "aria2"), "-Z", f"{base}/large.txt", f"{base}/1.txt",
            f"{base}/2.txt"]


simple("aria2c", "sockets", _aria2, 3, injects=0, before=_empty("aria2"), after=_contents("aria2"))
simple("aria2c https", "GnuTLS", _aria2, 3, "tls", injects=0, before=_empty("aria2"),
       after=_contents("aria2"))

_STABLE = re.compile(rb"(?m)^(Complete requests|Failed requests|Keep-Alive requests|Total transferred|"
                     rb"HTML transferred|Document Length|requests: |status codes: ).*$")


def _stable(text):
    """What load generators say that is no time."""
    return [match.group() for match in _STABLE.finditer(text)]


simple("ab -k", "sockets", lambda base, site: ["ab", "-q", "-k", "-n", "2000", "-c", "10",
                                               f"{base}/small.txt"], 2000,
       "direct", injects=0, clean=_stable)
simple("ab https", "OpenSSL", lambda base, site: ["ab", "-q", "-n", "200", "-c", "4", f"{base}/small.txt"],
       200, "tls",
       injects=0, clean=_stable)
simple("nghttp", "nghttp2, OpenSSL", lambda base, site: ["nghttp", f"{base}/small.txt", f"{base}/gone",
                                                         f"{base}/1.txt"],
       3, "h2", injects=3, version="2")
simple("h2load", "nghttp2, OpenSSL",
       lambda base, site: ["h2load", "-n", "500", "-c", "4", "-m", "10", f"{base}/small.txt"], 500, "h2",
       injects=500,
       version="2", clean=_stable)
simple("node fetch", "sockets", lambda base, site: ["node", str(_SCRIPTS / "fetch.mjs"), base], 4, injects=0)
simple("node fetch https", "opaque TLS (static OpenSSL)",
       lambda base, site: ["node", str(_SCRIPTS / "fetch.mjs"), base], 0, "tls", injects=0, logged=4,
       opaque=True)


def _java(base, site):
    return ["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", str(site.java_classes), "Fetch", base]


simple("java HttpClient", "sockets", _java, 3, injects=0, settings={"TELEMETRY_ON_FULL": "drop"})
simple("java HttpClient https", "opaque TLS (JSSE)", _java, 0, "tls", injects=0, logged=3, opaque=True,
       settings={"TELEMETRY_ON_FULL": "drop"})


@client("Go net/http (out of reach)")
def go(site):
    """Its runtime makes the system calls itself: nothing is seen, and nothing is changed."""
    return client_row(site.place, site.nginx, "Go net/http", "none: Go's own system calls",
                      [site.go_program, f"http://localhost:{site.tap.port}"], 0, tap=site.tap, logged=2,
                      statuses_known=False, injects=0)


@client("gRPC C++")
def grpc(site):
    """Threads that share connections, and close them under each other."""
    calls = 500
    row = Row("gRPC C++", "sockets", expected=calls, wire="-")
    program = build("grpc_pair", [APPS / "http/grpc_pair.cpp"], flags=("-std=c++20",), link_flags=GRPC_FLAGS,
                    instrument=False)
    server = subprocess.Popen([program, "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=site.place.variables())
    words = [program, "client", server.stdout.readline().decode().strip(), str(calls), "8", "1"]
    events = site.place.events_file()
    alone, traced = site.place.run(words), site.place.run(words, events)
    row.logged = int(server.communicate()[0]) // 2
    compare_output(row, alone, traced)
    row.check(row.logged == calls, f"the server had {row.logged} calls in each run")
    look_at(row, events, "client")
    row.check(row.pairs == calls, f"{row.pairs} pairs, {calls} are expected")
    return row


@client("wrk")
def wrk(site):
    return _wrk(site, "wrk", "sockets", "plain")


@client("wrk https")
def wrk_https(site):
    return _wrk(site, "wrk https", "OpenSSL", "tls")


def _wrk(site, name, layer, kind):
    """It goes by time and leaves its last requests unanswered: of each connection one may be in one count
    only.
    """
    connections = 8
    row = Row(name, layer, expected=f"log +-{connections}", wire="-")
    words = ["wrk", "-t", "1", "-c", str(connections), "-d", "1s", site.nginx.url(kind=kind)]
    alone = site.place.run(words)
    site.nginx.entries()
    events = site.place.events_file()
    traced = site.place.run(words, events)
    entries = site.nginx.settled(1)
    row.check((alone.status, traced.status) == (0, 0), f"status {traced.status}, untraced {alone.status}")
    row.check(b"Socket errors" not in traced.out and b"Non-2xx" not in traced.out, traced.out.decode())
    row.logged = len(entries)
    found = look_at(row, events, "client")
    row.check(abs(row.logged - row.pairs) <= connections, f"{row.pairs} pairs, {row.logged} logged")
    cut = [exchange for exchange in found.all if exchange.error]
    row.check(len(cut) <= connections, f"{len(cut)} with an error: {cut[:2]}")
    row.note = f"{len(cut)} cut off by wrk's end"
    return row


@client("redis-benchmark")
def redis_client(site):
    with site.redis() as server:
        return quiet_row(site.place, "redis-benchmark, redis-cli", "not HTTP",
                         ["sh", "-c",
                          f"redis-benchmark -p {server.address[1]} -q -n 500 -t ping,set,get >/dev/null; "
                                      f"redis-cli -p {server.address[1]} set GET 'GET / HTTP/1.1'; "
                                      f"redis-cli -p {server.address[1]} get GET"], lambda: 0)


@client("apt-get")
def apt(site):
    return site.apt_row()
