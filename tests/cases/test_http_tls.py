"""TLS libraries, and programs that use them: they work and send as without us."""

import re
import subprocess

import pytest
from http_clients import TRACEPARENT, clients  # noqa: F401
from teltest.proc import wait_for
from teltest.web.processes import answers, free_ports

PYTHON = "/usr/bin/python3"

URLLIB = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
for i in range(3):
    request = urllib.request.Request(sys.argv[1], b"data" * 5000 if i else None)
    print(len(urllib.request.urlopen(request, context=context).read()))
"""
ASYNCIO = """
import asyncio, ssl, subprocess, sys
from urllib.parse import urlsplit
async def get(number):
    url = urlsplit(sys.argv[1])
    context = ssl.create_default_context(cafile=sys.argv[2])
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
    writer.write(f"GET /{number} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
    data = await reader.read()
    writer.close()
    return len(data)
async def main():
    print(await asyncio.gather(*(get(i) for i in range(8))))
asyncio.run(main())
print(subprocess.run(["true"]).returncode)
"""
PYCURL = """
import io, pycurl, sys
for i in range(3):
    handle, got = pycurl.Curl(), io.BytesIO()
    handle.setopt(pycurl.URL, sys.argv[1])
    handle.setopt(pycurl.CAINFO, sys.argv[2])
    handle.setopt(pycurl.HTTPHEADER, ["X-Number: %d" % i])
    handle.setopt(pycurl.WRITEDATA, got)
    handle.perform()
    print(got.getvalue(), handle.getinfo(pycurl.RESPONSE_CODE))
    handle.close()
"""


def test_wget(clients):
    clients.same(["wget", "-nv", "-O-", f"--ca-certificate={clients.certificate}",
                  clients.secure.url("/redirect/2")], clean=without_times, traceparents=0)


def without_times(text):
    return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", b"T", text)


@pytest.mark.parametrize("program", [URLLIB, ASYNCIO], ids=["urllib", "asyncio"])
def test_python(clients, program):
    clients.same([PYTHON, "-c", program, clients.secure.url("/p"), clients.certificate], traceparents=0)


def test_pycurl(clients):
    clients.same([PYTHON, "-c", PYCURL, clients.secure.url("/p"), clients.certificate])


def test_git(clients):
    """A helper process, and GnuTLS."""
    clients.same(["git", "ls-remote", clients.secure.url("/repository")])


def test_aria2(clients):
    clients.same(["aria2c", "-q", "--no-conf", f"--ca-certificate={clients.certificate}", "-d", "/dev", "-o",
                  "null", "--allow-overwrite=true", "--file-allocation=none", clients.secure.url("/a")],
                 traceparents=0)


def test_openssl_client(clients):
    """s_client, whose BIOs are OpenSSL's own."""
    command = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-CAfile", clients.certificate, "-connect",
               f"localhost:{clients.secure.port}"]
    clients.same(command, traceparents=0, input=b"GET /close HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 clean=lambda text: b"")


class Http2Server:
    """nghttpd, which says what it gets."""

    def __init__(self, clients, folder):
        for name in "abc":
            (folder / name).write_bytes(b"hello\n" * 100)
        self.log = folder / "nghttpd.log"
        key = clients.certificate.with_name("key.pem")
        self.port, = free_ports(1)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["nghttpd", "-v", "-a", "127.0.0.1", "-d", folder, str(self.port), key,
                 clients.certificate], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(self.listens, "nghttpd")

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        return answers(("127.0.0.1", self.port))

    def traceparents(self):
        return re.findall(r"traceparent: (\S+)", self.log.read_text())

    def requests(self):
        return len(re.findall(r"recv \(stream_id=\d+\) :path: ", self.log.read_text()))


@pytest.fixture
def http2(clients, tmp_path):
    server = Http2Server(clients, tmp_path)
    yield server
    server.process.kill()
    server.process.wait()


@pytest.mark.parametrize("command", [["curl", "-q", "-sS", "--http2", "URL/a", "URL/b", "URL/c"],
                                     ["curl", "-q", "-sS", "--http2", "-Z", "URL/a", "URL/b", "URL/c"],
                                     ["nghttp", "URL/a", "URL/b", "URL/c"],
                                     ["h2load", "-n3", "-c1", "URL/a"]],
                         ids=["curl", "parallel", "nghttp", "h2load"])
def test_http2(clients, http2, command):
    url = f"https://localhost:{http2.port}"
    command = [word.replace("URL", url) for word in command]
    measures = command[0] == "h2load" or "-Z" in command  # and says so
    outcomes = []
    for way in ("alone", "telrun", "preload"):
        outcome = clients.ways.run(command, way, clients.environment)
        outcomes.append(outcome._replace(out=b"", err=b"") if measures else outcome)
        if way == "alone":
            assert http2.traceparents() == [] and http2.requests() == 3
    assert outcomes[0].status == 0
    assert outcomes == [outcomes[0]] * 3
    found = http2.traceparents()
    assert http2.requests() == 9
    assert len(found) == 6 and all(re.fullmatch(TRACEPARENT, value) for value in found)
    assert len({value.split("-")[2] for value in found}) == 6


NGINX = """
worker_processes 2;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {folder};
    location /proxied/ {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    location /old {{ return 301 /new; }}
  }}
}}
"""


def test_nginx(clients, tmp_path):
    """A server with worker processes, TLS, HTTP/1 and 2, files and a server behind it."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    (folder / "file").write_bytes(bytes(range(256)) * 2048)
    said, answer = {}, tmp_path / "answer"  # the last one, should a request be repeated
    for way in ("alone", "telrun", "preload"):
        port, = free_ports(1)
        (folder / "nginx.conf").write_text(NGINX.format(
            folder=folder, port=port, certificate=clients.certificate, upstream=clients.plain.url(""),
            key=clients.certificate.with_name("key.pem")))
        server = clients.ways.start(["/usr/sbin/nginx", "-e", "stderr", "-p", folder, "-c",
                                     folder / "nginx.conf"], way, clients.environment)
        wait_for(lambda: answers(("127.0.0.1", port)) or server.poll() is not None, "nginx")
        assert server.poll() is None
        said[way] = []
        for version in ("--http1.1", "--http2"):
            for path in ("file", "old", "missing", "proxied/x", "file"):
                # Answers without what tells one run from the other.
                client = subprocess.run(
                    ["curl", "-q", "-sS", "--retry", "3", "--retry-all-errors", version, "-w",
                     "%{http_code} %{http_version}", "-d", "a=b", "-X", "GET", "-o", answer,
                     f"https://localhost:{port}/{path}"], capture_output=True, check=True,
                    env=clients.environment | {"PATH": "/usr/bin:/bin"})
                said[way].append((client.stdout, answer.read_bytes()))
        master = int((folder / "nginx.pid").read_text())
        subprocess.run(["kill", "-QUIT", str(master)], check=True)
        assert server.wait(60) == 0
        assert b"alert" not in (folder / "error.log").read_bytes()
    assert said["telrun"] == said["alone"]
    assert said["preload"] == said["alone"]
