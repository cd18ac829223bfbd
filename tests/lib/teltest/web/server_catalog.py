"""Which servers the table has. Each is a function of a Site; SERVERS names them."""

import re
import signal
from pathlib import Path

from teltest.run import build, tool
from teltest.web.nginx import Nginx
from teltest.web.processes import Server, free_ports
from teltest.web.row import Row, compare_output, look_at
from teltest.web.server_rows import (TRACEPARENT, server_and_client_are_one_trace, server_row)

APPS = Path(__file__).resolve().parents[3] / "apps/http"
SERVERS = {}


def server(name):
    def add(function):
        SERVERS[name] = lambda site: function(site, name)
        return function
    return add


def mixed(base, *words):
    """Nine exchanges: kept alive, HEAD, 404, 304, a range, with a traceparent."""
    def curl(*urls):
        return " ".join(("/usr/bin/curl -q -sS -o /dev/null -w '%{http_code} %{size_download}\\n'", *words,
                         *urls))
    return ["sh", "-c", " && ".join((
        curl(f"{base}/small.txt", "-o /dev/null", f"{base}/large.txt", "-o /dev/null", f"{base}/none"),
        curl("-I", f"{base}/1.txt"),
        curl("-H", f"'{TRACEPARENT}'", f"{base}/2.txt", "-o /dev/null", f"{base}/3.txt"),
        curl("-r 0-3", f"{base}/4.txt"),
        curl("-H 'Connection: close'", f"{base}/5.txt"),
        curl("-H 'If-Modified-Since: Wed, 01 Jan 2036 00:00:00 GMT'", f"{base}/6.txt")))]


MIXED, MIXED_REMOTE = 9, 2


class _OfNginx:
    """An Nginx as server_row wants it."""

    def __init__(self, nginx, kind):
        self.nginx, self.address = nginx, ("127.0.0.1", getattr(nginx, kind))

    def stop(self):
        return self.nginx.stop()

    def kill(self):
        self.nginx.server.kill()


def _nginx(site, name, layer, kind, load, expected, extra="", workers=1, **options):
    made = []

    def start(prefix, environment):
        folder = site.place.fresh("traced-nginx")
        made.append(Nginx(folder, site.authority, prefix, environment, extra, workers))
        return _OfNginx(made[-1], kind)

    def log():
        return [(entry["request_method"], entry["request_uri"], int(entry["status"]))
                for entry in made[-1].entries()]
    return server_row(site.place, name, layer, start, load, log, expected, **options)


@server("nginx")
def nginx(site, name):
    return _nginx(site, name, "sockets (writev, sendfile)", "plain",
                  lambda port: mixed(f"http://localhost:{port}"), MIXED, remote=MIXED_REMOTE)


@server("nginx https")
def nginx_https(site, name):
    return _nginx(site, name, "OpenSSL", "tls",
                  lambda port: mixed(f"https://localhost:{port}"), MIXED, tap=False, remote=MIXED_REMOTE)


@server("nginx h2")
def nginx_h2(site, name):
    return _nginx(site, name, "HTTP/2, OpenSSL", "h2", lambda port: mixed(f"https://localhost:{port}",
                                                                          "--http2"), MIXED,
                  tap=False, remote=MIXED_REMOTE)


@server("nginx h2c")
def nginx_h2c(site, name):
    return _nginx(site, name, "HTTP/2, sockets", "h2c",
                  lambda port: ["nghttp", "-n", f"http://127.0.0.1:{port}/small.txt",
                                f"http://127.0.0.1:{port}/large.txt",
                                f"http://127.0.0.1:{port}/none"], 3, tap=False)


@server("nginx, 2 workers, ab -k")
def nginx_ab(site, name):
    return _nginx(site, name, "sockets", "plain",
                  lambda port: ["ab", "-q", "-k", "-n", "2000", "-c", "20",
                                f"http://127.0.0.1:{port}/small.txt"], 2000,
                  workers=2, tap=False, clean=_stable)


@server("nginx https, h2load")
def nginx_h2load(site, name):
    return _nginx(site, name, "HTTP/2, OpenSSL", "h2",
                  lambda port: ["h2load", "-n", "1000", "-c", "5", "-m", "20",
                                f"https://127.0.0.1:{port}/small.txt"],
                  1000, tap=False, clean=_stable)


def _stable(text):
    return b"\n".join(re.findall(rb"(?m)^(?:Complete requests|Failed requests|requests: |status codes: ).*$",
                                 text))


@server("nginx, PUT")
def nginx_put(site, name):
    body = site.place.folder / "body.bin"
    body.write_bytes(b"x" * 2_000_000)
    return _nginx(site, name, "sockets", "plain",
                  lambda port: ["sh", "-c",
                                f"curl -q -sS -T {body} http://localhost:{port}/put/a "
                                f"&& curl -q -sS -X DELETE "
                                f"http://localhost:{port}/put/a"], 2)


@server("nginx, reverse proxy")
def nginx_proxy(site, name):
    """In front of the nginx that is not traced: a server and a client span each."""
    site.nginx.entries()
    extra = f"location /back/ {{ proxy_pass http://127.0.0.1:{site.nginx.plain}/; }}"

    def check(row, found):
        server_and_client_are_one_trace(row, found)
        behind = [entry for entry in site.nginx.settled(2 * PROXIED) if entry["uri"] == "/small.txt"]
        row.check(len(behind) == 2 * PROXIED, f"behind it {len(behind)} were logged in two runs")
        passed_on = [entry["http_traceparent"] for entry in behind[PROXIED:] if entry["http_traceparent"]]
        row.check(passed_on == [TRACEPARENT.split()[1]], f"handed on: {passed_on}")
    return _nginx(site, name, "sockets", "plain", lambda port: [
        "sh", "-c",
        f"curl -q -sS http://localhost:{port}/back/small.txt http://localhost:{port}/back/small.txt && "
                    f"curl -q -sS -H '{TRACEPARENT}' http://localhost:{port}/back/small.txt"], PROXIED, extra,
                  clients=PROXIED, remote=1, check=check)


PROXIED = 3


def process_row(site, name, layer, command, log, load=mixed, expected=MIXED, ready=None, **options):
    """A server of one command with a port."""
    def start(prefix, environment):
        port, = free_ports(1)
        folder = site.place.fresh(f"traced-{name.split()[0]}")
        return Server([*prefix, *command(folder, port)], ("127.0.0.1", port), folder / "output.log",
                      environment, cwd=folder, **({"stop": options["stop"]} if "stop" in options else {}))
    folder = site.place.folder / f"traced-{name.split()[0]}"
    rest = {key: value for key, value in options.items() if key != "stop"}
    return server_row(site.place, name, layer, start, lambda port: load(f"http://localhost:{port}"),
                      lambda: log(folder), expected, **rest)


def common_log(path):
    """[(method, path, status)] of a log in the common format."""
    return [(method, uri, int(status)) for method, uri, status in
            re.findall(r'"([A-Z]+) (\S+) HTTP/[0-9.]+" (\d{3})', path.read_text())]


def apache_command(site, folder, port, more=""):
    """Serves the site's files; `more`: lines of its configuration."""
    (folder / "apache.conf").write_text(f"""
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
Mutex file:{folder} default
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
{more}TypesConfig /dev/null
DocumentRoot {site.nginx.root}
ErrorLog {folder}/error.log
LogFormat "\\"%r\\" %>s" short
CustomLog {folder}/access.log short
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
GracefulShutdownTimeout 1
""")
    return ["/usr/sbin/apache2", "-DFOREGROUND", "-f", str(folder / "apache.conf")]


@server("apache2")
def apache(site, name):
    return process_row(site, name, "sockets (event MPM, writev, sendfile)",
                       lambda folder, port: apache_command(site, folder, port),
                       lambda folder: common_log(folder / "access.log"), remote=MIXED_REMOTE)


@server("lighttpd")
def lighttpd(site, name):
    def command(folder, port):
        (folder / "lighttpd.conf").write_text(f"""
server.document-root = "{site.nginx.root}"
server.port = {port}
server.bind = "127.0.0.1"
server.errorlog = "{folder}/error.log"
server.modules = ( "mod_accesslog" )
accesslog.filename = "{folder}/access.log"
accesslog.format = "\\"%r\\" %s"
mimetype.assign = ( ".txt" => "text/plain" )
""")
        return ["/usr/sbin/lighttpd", "-D", "-f", str(folder / "lighttpd.conf")]
    return process_row(site, name, "sockets (writev, sendfile)", command,
                       lambda folder: common_log(folder / "access.log"), remote=MIXED_REMOTE,
                       stop=signal.SIGINT)


@server("haproxy")
def haproxy(site, name):
    """In front of the nginx that is not traced: a server and a client span each."""
    def command(folder, port):
        (folder / "haproxy.cfg").write_text(f"""
global
  log {folder}/log.sock local0
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server nginx 127.0.0.1:{site.nginx.plain}
""")
        site.nginx.entries()
        return ["/usr/sbin/haproxy", "-db", "-f", str(folder / "haproxy.cfg")]

    def log(folder):
        return [(entry["request_method"], entry["request_uri"], int(entry["status"]))
                for entry in site.nginx.settled(MIXED)]
    return process_row(site, name, "sockets (splice)", command, log, clients=MIXED, remote=MIXED_REMOTE,
                       check=server_and_client_are_one_trace, stop=signal.SIGTERM)


@server("python3 -m http.server")
def http_server(site, name):
    return process_row(site, name, "sockets", lambda folder, port: [
        "/usr/bin/python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "-d",
        str(site.nginx.root), str(port)], lambda folder: common_log(folder / "output.log"),
                       remote=MIXED_REMOTE)


@server("nghttpd")
def nghttpd(site, name):
    def command(folder, port):
        return ["/usr/sbin/nghttpd", "-v", "-d", str(site.nginx.root), str(port), str(site.authority.key),
                str(site.authority.certificate)]

    def log(folder):
        return len(re.findall(r"recv \(stream_id=\d+\) :method: ", (folder / "output.log").read_text()))
    return process_row(site, name, "nghttp2, OpenSSL", command, log, remote=MIXED_REMOTE, tap=False,
                       load=lambda base: mixed(base.replace("http:", "https:"), "--http2"))


@server("node http server")
def node(site, name):
    return process_row(site, name, "sockets",
                       lambda folder, port: ["node", str(APPS / "server.mjs"), str(port)],
                       lambda folder: common_log(folder / "output.log"), remote=MIXED_REMOTE,
                       stop=signal.SIGTERM)


def cpp_server():
    return build("server", [APPS / "server.cpp"], "gcc", ("-O1",), ("-pthread", "-lssl", "-lcrypto"))


def words_log(path):
    return [(method, uri, int(status)) for method, uri, status in re.findall(r"(?m)^([A-Z]+) (\S+) (\d{3})$",
                                                                              path.read_text())]


def _forty(base):
    return ["sh", "-c",
            f"curl -q -sS -Z --parallel-max 10 '{base}/[1-40]' -o /dev/null --no-progress-meter 2>/dev/null; "
                        f"curl -q -sS -H '{TRACEPARENT}' -d abc {base}/posted {base}/missing"]


def _handlers_below(row, found):
    """Each request's handler is its child, and in its trace."""
    by_id = {exchange.id: exchange for exchange in found.of("server")}
    handlers = [event for event in found.functions if event["event_type"] == "function_entry"
                and event["function_name"] == "handle"]
    right = [event for event in handlers if event["parent_span_id"] in by_id
             and by_id[event["parent_span_id"]].trace == event["trace_id"]]
    row.check(len(right) == len(by_id),
              f"{len(right)} of {len(by_id)} requests have their handler below them "
                                        f"({len(handlers)} handlers)")
    row.note += f"; {len(right)} handlers below their requests"


@server("C++ server, threads")
def cpp(site, name):
    return process_row(site, name, "sockets, instrumented",
                       lambda folder, port: [str(cpp_server()), str(port)],
                       lambda folder: words_log(folder / "output.log"), load=_forty, expected=42, remote=2,
                       check=_handlers_below)


@server("C++ server, threads, https")
def cpp_tls(site, name):
    return process_row(site, name, "OpenSSL, instrumented", lambda folder, port: [
        str(cpp_server()), str(port), str(site.authority.certificate), str(site.authority.key)],
                       lambda folder: words_log(folder / "output.log"), expected=42, remote=2, tap=False,
                       load=lambda base: _forty(base.replace("http:", "https:")), check=_handlers_below)


@server("redis-server")
def redis(site, name):
    row = Row(name, "not HTTP", expected=0, wire="-")
    events = site.place.events_file()
    outcomes, statuses = [], []
    for traced in (False, True):
        prefix = [str(tool("telrun")), "--"] if traced else []
        with site.redis(prefix, site.place.variables(events if traced else None)) as server:
            port = str(server.address[1])
            outcomes.append(site.place.run(["sh", "-c",
                                            f"redis-benchmark -p {port} -q -n 500 "
                                            f"-t ping,set,get > /dev/null; "
                                                        f"redis-cli -p {port} set GET 'GET / HTTP/1.1'; "
                                                        f"redis-cli -p {port} get GET"]))
            statuses.append(server.stop())
    compare_output(row, *outcomes)
    row.check(statuses[0] == statuses[1], f"it ended with {statuses[1]}, untraced with {statuses[0]}")
    found = look_at(row, events, "server")
    row.check(not found.all and not found.opaque, f"{len(found.all)} exchanges appeared: {found.all[:2]}")
    return row
