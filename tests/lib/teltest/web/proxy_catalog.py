"""Rows with something in between: SOCKS proxies, the PROXY protocol, an upgrade to HTTP/2, a cache.

Each is a function of a Site, as in client_catalog.py and server_catalog.py.
"""

import json
import re
import signal
from contextlib import ExitStack

from teltest.run import tool
from teltest.web.client_catalog import PYTHON, curl
from teltest.web.client_rows import client_row
from teltest.web.processes import Server, free_ports
from teltest.web.row import Row, compare_output, look_at
from teltest.web.server_catalog import APPS, apache_command, common_log, process_row
from teltest.web.server_rows import server_and_client_are_one_trace, server_row

PROXY_CLIENTS, PROXY_SERVERS = {}, {}
SECRET = "Xk29-socks-password"


def _row(rows, name):
    def add(function):
        rows[name] = lambda site: function(site, name)
        return function
    return add


# ---- SOCKS

def _microsocks(site, *words):
    port, = free_ports(1)
    return port, Server(["microsocks", "-i", "127.0.0.1", "-p", port, *words], ("127.0.0.1", port),
                        site.place.folder / "microsocks.log")


def _dante(site):
    port, = free_ports(1)
    folder = site.place.fresh("dante")
    (folder / "danted.conf").write_text(f"""
logoutput: {folder}/danted.log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
socks pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
""")
    return port, Server(["danted", "-f", folder / "danted.conf", "-N", "1"], ("127.0.0.1", port),
                        folder / "output.log")


def _socks(name, start, words, kind="plain", layer="libcurl, sockets", host="localhost"):
    """Two requests through a proxy; whom it is asked for is told, a password is not."""
    def make(site):
        port, proxy = start(site)
        with proxy:
            server_port = getattr(site.nginx, kind)
            url = site.nginx.url("", kind)
            # In a file: a password on the command line is another matter.
            (site.place.folder / "curlrc").write_text(words(_at(port)))
            row = client_row(site.place, site.nginx, name, layer,
                             curl("-K", str(site.place.folder / "curlrc"), f"{url}/small.txt", f"{url}/gone"),
                             2, injects=2)
        events = site.place.folder / f"events-{site.place.number}.jsonl"
        wanted = f"{host}:{server_port}"
        told = {exchange.request["attributes"].get("telinject.http.proxy_target")
                for exchange in look_at(row, events, "client").all}
        row.check(told == {wanted}, f"the target is {told}, not {wanted}")
        row.check(SECRET not in events.read_text(), "the password is in the events")
        return row
    PROXY_CLIENTS[name] = make


def _at(port):
    return f"127.0.0.1:{port}"


_socks("curl --socks5", _microsocks, lambda proxy: f"socks5 = {proxy}", host="127.0.0.1")
_socks("curl --socks5-hostname", _microsocks, lambda proxy: f"socks5-hostname = {proxy}")
_socks("curl --socks5-hostname, password", lambda site: _microsocks(site, "-u", "me", "-P", SECRET),
       lambda proxy: f"socks5-hostname = me:{SECRET}@{proxy}")
_socks("curl --socks5-hostname https", _microsocks, lambda proxy: f"socks5-hostname = {proxy}", "tls",
       "libcurl, OpenSSL")
_socks("curl --socks4 (dante)", _dante, lambda proxy: f"socks4 = {proxy}", host="127.0.0.1")


@_row(PROXY_SERVERS, "microsocks")
def microsocks(site, name):
    """What it passes on it does not serve: the requests appear once, as those that it sends."""
    row = Row(name, "sockets (poll)", expected=2, wire="-")
    events = site.place.events_file()
    outcomes = []
    for traced in (False, True):
        port, = free_ports(1)
        prefix = [str(tool("telrun")), "--"] if traced else []
        variables = site.place.variables(events if traced else None)
        site.nginx.entries()
        with Server([*prefix, "microsocks", "-i", "127.0.0.1", "-p", port], ("127.0.0.1", port),
                    site.place.folder / "microsocks.log", variables) as proxy:
            outcomes.append(site.place.run(curl("--socks5-hostname", _at(port), site.nginx.url(),
                                                site.nginx.url("/gone"))))
            row.logged = len(site.nginx.settled(2))
            proxy.stop()
    compare_output(row, *outcomes)
    found = look_at(row, events, "client")
    row.check(row.pairs == 2 and not found.of("server"), f"{found.all}")
    return row


# ---- the PROXY protocol

_HAPROXY = """
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
{parts}"""


class _Behind:
    """A server that wants the PROXY protocol, and haproxy before it; one port a way to come in."""

    def __init__(self, site, ports, make_server):
        self.fronts = free_ports(2 * len(ports))
        folder = site.place.fresh("haproxy-front")
        ways = [(port, word) for port in ports for word in ("send-proxy", "send-proxy-v2")]
        parts = "".join(f"""
listen front{number}
  bind 127.0.0.1:{front}
  server behind 127.0.0.1:{port} {word}
""" for number, (front, (port, word)) in enumerate(zip(self.fronts, ways, strict=True)))
        (folder / "haproxy.cfg").write_text(_HAPROXY.format(parts=parts))
        with ExitStack() as undo:
            self.server = make_server()
            undo.callback(self.server.kill)
            self.front = Server(["/usr/sbin/haproxy", "-db", "-f", folder / "haproxy.cfg"],
                                ("127.0.0.1", self.fronts[-1]), folder / "output.log")
            undo.pop_all()
        self.address = self.server.address

    def stop(self):
        self.front.kill()
        return self.server.stop()

    def kill(self):
        self.front.kill()
        self.server.kill()


def _behind(site, name, layer, ports, command, log, load, expected, clients_of, ready):
    """clients_of(): what the server itself says who its clients were, as "address:port"."""
    made = []

    def start(prefix, environment):
        def make():
            folder = site.place.fresh("behind")
            return Server([*prefix, *command(folder)], ("127.0.0.1", ready), folder / "output.log",
                          environment, cwd=folder)
        made.append(_Behind(site, ports, make))
        return made[-1]

    def check(row, found):
        attributes = [exchange.request["attributes"] for exchange in found.of("server")]
        told = sorted(f"{each['client.address']}:{each['client.port']}" for each in attributes
                      if "client.address" in each)
        wanted = sorted(clients_of())
        row.check(told == wanted, f"clients are {told}, by its log {wanted}")
        row.note = f"{len(told)} with client.address"
    return server_row(site.place, name, layer, start, lambda port: load(made[-1].fronts), log, expected,
                      tap=False, check=check)


def _through(fronts, scheme="http"):
    urls = " ".join(f"{scheme}://localhost:{front}/small.txt {scheme}://localhost:{front}/none"
                    for front in fronts)
    return f"/usr/bin/curl -q -sS {urls}"


@_row(PROXY_SERVERS, "nginx, PROXY protocol")
def nginx_proxy_protocol(site, name):
    """Versions 1 and 2, and both before TLS."""
    plain, tls, ready = free_ports(3)
    folder = site.place.folder / "behind"

    def command(folder):
        (folder / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 100; }}
http {{
  log_format all escape=json '{{"method":"$request_method","uri":"$request_uri","status":"$status",\
"client":"$proxy_protocol_addr:$proxy_protocol_port"}}';
  access_log {folder}/access.log all;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {site.authority.certificate};
  ssl_certificate_key {site.authority.key};
  root {site.nginx.root};
  server {{
    listen 127.0.0.1:{plain} proxy_protocol;
    listen 127.0.0.1:{tls} ssl proxy_protocol;
    listen 127.0.0.1:{ready};
  }}
}}
""")
        return ["/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    def entries():
        return [json.loads(line) for line in (folder / "access.log").read_text().splitlines()]

    def log():
        return [(entry["method"], entry["uri"], int(entry["status"])) for entry in entries()]
    return _behind(site, name, "sockets, OpenSSL", (plain, tls), command, log,
                   lambda fronts: ["sh", "-c", f"{_through(fronts[:2])} && {_through(fronts[2:], 'https')}"],
                   8, lambda: [entry["client"] for entry in entries()], ready)


@_row(PROXY_SERVERS, "python3 server, PROXY protocol")
def python_proxy_protocol(site, name):
    port, ready = free_ports(2)
    folder = site.place.folder / "behind"

    def lines():
        return re.findall(r"(?m)^(\S+) (\S+) (\d{3}) (\S+)$", (folder / "output.log").read_text())
    return _behind(site, name, "sockets", (port,),
                   lambda folder: [PYTHON, "-u", str(APPS / "behind_proxy.py"), str(port), str(ready)],
                   lambda: [(method, path, int(status)) for method, path, status, _ in lines()],
                   lambda fronts: ["sh", "-c", _through(fronts)], 4,
                   lambda: [client for *_, client in lines()], ready)


@_row(PROXY_SERVERS, "haproxy, send-proxy")
def haproxy_sends(site, name):
    """It is the client that sends the header, to a server that is not traced."""
    port, ready = free_ports(2)
    behind = []

    def command(folder, front):
        behind.append(Server([PYTHON, "-u", str(APPS / "behind_proxy.py"), str(port), str(ready)],
                             ("127.0.0.1", ready), folder / "behind.log", stop=signal.SIGKILL))
        (folder / "haproxy.cfg").write_text(_HAPROXY.format(parts=f"""
listen front
  mode http
  bind 127.0.0.1:{front}
  server behind 127.0.0.1:{port} send-proxy-v2
"""))
        return ["/usr/sbin/haproxy", "-db", "-f", str(folder / "haproxy.cfg")]

    def log(folder):
        found = re.findall(r"(?m)^(\S+) (\S+) (\d{3}) \S+$", (folder / "behind.log").read_text())
        behind[-1].kill()
        return [(method, path, int(status)) for method, path, status in found]
    return process_row(site, name, "sockets", command, log, clients=2, expected=2, tap=False,
                       load=lambda base: ["sh", "-c",
                                          f"/usr/bin/curl -q -sS {base}/small.txt {base}/none"],
                       check=server_and_client_are_one_trace)


# ---- Upgrade: h2c

_H2C = """LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
Protocols h2c http/1.1
H2Upgrade on
"""


def _upgraded(base):
    """One request a connection: Apache refuses others on it at times, traced or not. It upgrades none that
    has a body.
    """
    one = "/usr/bin/curl -q -sS --http2"
    return ["sh", "-c", f"{one} {base}/small.txt && {one} -d abc {base}/none && nghttp -u {base}/1.txt"]


def _answered(path):
    """Apache logs the 101 as well."""
    return [entry for entry in common_log(path) if entry[2] != 101]


@_row(PROXY_CLIENTS, "curl --http2, nghttp -u (Upgrade: h2c)")
def upgrading_clients(site, name):
    row = Row(name, "libcurl, nghttp2, sockets", expected=3, wire="-")
    folder = site.place.fresh("apache-h2c")
    port, = free_ports(1)
    events = site.place.events_file()
    with Server(apache_command(site, folder, port, _H2C), ("127.0.0.1", port), folder / "output.log"):
        words = _upgraded(f"http://localhost:{port}")
        alone = site.place.run(words)
        before = len(_answered(folder / "access.log"))
        compare_output(row, alone, site.place.run(words, events))
        entries = _answered(folder / "access.log")[before:]
    row.logged = len(entries)
    found = look_at(row, events, "client")
    keys = sorted(exchange.key() for exchange in found.all)
    row.check(keys == sorted(entries), f"{keys}, by the server's log {sorted(entries)}")
    versions = sorted(exchange.response["attributes"]["network.protocol.version"] for exchange in found.all)
    row.check(versions == ["1.1", "2", "2"], f"versions {versions}")
    return row


@_row(PROXY_SERVERS, "apache2, Upgrade: h2c")
def apache_h2c(site, name):
    return process_row(site, name, "HTTP/1 to HTTP/2, sockets",
                       lambda folder, port: apache_command(site, folder, port, _H2C),
                       lambda folder: _answered(folder / "access.log"), expected=3, tap=False,
                       load=_upgraded)


# ---- methods of its own

@_row(PROXY_SERVERS, "varnish, PURGE and BAN")
def varnish(site, name):
    """A cache before the nginx that is not traced. What it has it does not ask for."""
    def command(folder, port):
        (folder / "cache.vcl").write_text(f"""
vcl 4.0;
backend default {{ .host = "127.0.0.1"; .port = "{site.nginx.plain}"; }}
sub vcl_recv {{
  if (req.method == "PURGE") {{ return (purge); }}
  if (req.method == "BAN") {{ ban("req.url == " + req.url); return (synth(200, "Banned")); }}
  return (hash);
}}
""")
        return ["/usr/sbin/varnishd", "-F", "-a", f"127.0.0.1:{port}", "-f", str(folder / "cache.vcl"),
                "-j", "none", "-n", str(folder / "work"), "-s", "malloc,10m", "-p", "thread_pool_min=5"]

    def load(base):
        def one(method, path):
            return f"/usr/bin/curl -q -s -o /dev/null -w '%{{http_code}}\\n' -X {method} {base}{path}"
        return ["sh", "-c", " && ".join((one("GET", "/1.txt"), one("GET", "/1.txt"), one("PURGE", "/1.txt"),
                                         one("GET", "/1.txt"), one("BAN", "/1.txt"), one("GET", "/1.txt")))]
    # Its own log is asked for while it runs only: what the client was answered stands for it.
    return process_row(site, name, "sockets", command, lambda folder: 6, load=load, expected=6, clients=3,
                       tap=False)
