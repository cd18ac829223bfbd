"""nginx as the server that programs are held against: static files, redirects, uploads, git, TLS, HTTP/2.

Its log is one JSON object a request, with what it got: the length on the wire and the fields that
clients set, so that two runs can be compared by it where TLS hides the bytes.
"""

import json
import signal
import subprocess
from pathlib import Path

from teltest.proc import wait_for
from teltest.web.processes import Server, free_ports

_LOGGED = ("http_traceparent", "http_tracestate", "http_host", "http_user_agent", "http_accept",
           "http_accept_encoding", "http_range", "http_content_type", "http_authorization", "http_te",
           "http_connection", "http_upgrade", "http_git_protocol", "http_expect", "http_cookie",
           "content_length", "request_method", "uri", "request_uri", "status", "server_protocol",
           "request_length",
           "bytes_sent", "connection", "server_port", "remote_addr")
_MODULES = "/usr/lib/nginx/modules"

_CONFIG = """
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{ worker_connections 2048; }}
http {{
  log_format all escape=json '{format}';
  access_log {log};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  types {{ text/html html; text/plain txt; application/json json; }}
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  server_tokens off;
  keepalive_requests 1000000;
  client_max_body_size 64m;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_session_tickets off;
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{tls} ssl;
    listen unix:{folder}/nginx.sock;
    include {folder}/locations.conf;
  }}
  server {{
    listen 127.0.0.1:{h2} ssl http2;
    listen 127.0.0.1:{h2c} http2;
    include {folder}/locations.conf;
  }}
}}
"""

_LOCATIONS = """
root {root};
location = /redirect {{ return 302 /redirect2; }}
location = /redirect2 {{ return 301 /small.txt; }}
location = /gone {{ return 404 "gone\\n"; }}
location = /broken {{ return 500 "broken\\n"; }}
location = /nothing {{ return 204; }}
location /put/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
location = /zipped.txt {{ gzip on; gzip_types text/plain; gzip_min_length 1; try_files /large.txt =404; }}
{extra}
"""


def static_files(root):
    root.mkdir(parents=True, exist_ok=True)
    (root / "put").mkdir(exist_ok=True)
    (root / "small.txt").write_text("small\n")
    (root / "empty.txt").write_text("")
    (root / "large.txt").write_text("".join(f"line {number}\n" for number in range(100_000)))
    for number in range(20):
        (root / f"{number}.txt").write_text(f"file {number}\n" * (number + 1))
    for path in (root, root / "put"):
        path.chmod(0o777)


class Nginx:
    """prefix: what it is started by (telrun). extra: more locations. proxy: {path: target}."""

    def __init__(self, folder, authority, prefix=(), environment=None, extra="", workers=1, root=None,
                 logged=True):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.root = root or self.folder / "root"
        static_files(self.root)
        self.plain, self.tls, self.h2, self.h2c = free_ports(4)
        self.socket = str(self.folder / "nginx.sock")
        self.log = self.folder / "access.log"
        self.log.write_text("")
        self._taken = 0
        config = self.folder / "nginx.conf"
        log_format = "{" + ",".join(f'"{name}":"${name}"' for name in _LOGGED) + "}"
        config.write_text(_CONFIG.format(
            folder=self.folder, format=log_format, workers=workers, certificate=authority.certificate,
            key=authority.key, plain=self.plain, tls=self.tls, h2=self.h2, h2c=self.h2c, user="user root;",
            log=f"{self.folder}/access.log all" if logged else "off"))
        (self.folder / "locations.conf").write_text(_LOCATIONS.format(root=self.root, extra=extra))
        self.server = Server([*prefix, "/usr/sbin/nginx", "-p", self.folder, "-c", config],
                             ("127.0.0.1", self.h2c), self.folder / "output.log", environment,
                             stop=signal.SIGQUIT)
        wait_for(lambda: Path(self.socket).exists(), "nginx's socket")

    def url(self, path="/small.txt", kind="plain"):
        scheme = "http" if kind in ("plain", "h2c") else "https"
        return f"{scheme}://localhost:{getattr(self, kind)}{path}"

    def entries(self):
        """What has been logged since the last time."""
        lines = self.log.read_text().splitlines()
        new, self._taken = lines[self._taken:], len(lines)
        return [entry for entry in map(json.loads, new) if entry["request_method"]]

    def settled(self, least):
        """entries(), when there are as many and no more come: nginx logs after the last byte is sent."""
        try:
            wait_for(lambda: len(self.log.read_text().splitlines()) - self._taken >= least, "nginx's log", 5)
        except TimeoutError:
            pass  # the comparison will say so
        return self.entries()

    def stop(self):
        return self.server.stop()

    def version(self):
        return subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()
