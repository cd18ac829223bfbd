"""All that the rows need: nginx with its taps, the authority, git, a repository of packages, redis."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections import Counter
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from teltest.web.authority import Authority
from teltest.web.client_rows import client_row
from teltest.web.nginx import Nginx
from teltest.web.processes import Server, free_ports, refusing
from teltest.web.row import Workplace
from teltest.web.tap import Tap

APPS = Path(__file__).resolve().parents[3] / "apps/http"
_GIT = """
location ~ ^/git(/.*)$ {{
  fastcgi_pass unix:{socket};
  fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
  fastcgi_param GIT_PROJECT_ROOT {projects};
  fastcgi_param GIT_HTTP_EXPORT_ALL 1;
  fastcgi_param GIT_PROTOCOL $http_git_protocol;
  fastcgi_param PATH_INFO $1;
  fastcgi_param REQUEST_METHOD $request_method;
  fastcgi_param QUERY_STRING $query_string;
  fastcgi_param CONTENT_TYPE $content_type;
  fastcgi_param CONTENT_LENGTH $content_length;
  fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
  fastcgi_param REMOTE_ADDR $remote_addr;
}}
"""


class ConnectProxy:
    """Answers CONNECT and hands on; `connects` counts."""

    def __init__(self):
        self.connects = 0
        self.heads = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = client.recv(1)
            if not byte:
                return
            head += byte
        self.heads.append(head)
        self.connects += 1
        host, port = re.match(rb"CONNECT ([^:]+):(\d+) ", head).groups()
        server = socket.create_connection((host.decode().replace("localhost", "127.0.0.1"), int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()

    def close(self):
        self.listener.close()


def _copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Site:
    """Use as a context. `place` is where clients run; `nginx` what they ask, if plain by way of `tap`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.authority = Authority(self.folder / "authority")
        self._servers = []
        git = self._git()
        self.nginx = Nginx(self.folder / "nginx", self.authority, extra=git)
        self.place = Workplace(self.folder / "client", self.authority.environment() | {"LC_ALL": "C"})
        self.place.folder.mkdir()
        self.tap = Tap(self.nginx.plain)
        self.unix_tap_path = str(self.folder / "tap.sock")
        self.unix_tap = Tap(self.nginx.socket, self.unix_tap_path)
        self._closed = refusing()
        self.closed_port = self._closed.__enter__()

    def close(self):
        self._closed.__exit__(None, None, None)
        for each in (self.tap, self.unix_tap, *([self.proxy] if "proxy" in self.__dict__ else [])):
            each.close()
        self.nginx.server.kill()
        for server in self._servers:
            server.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @cached_property
    def proxy(self):
        return ConnectProxy()

    @cached_property
    def untrusted_url(self):
        """A TLS server whose authority nobody knows."""
        other = Authority(self.folder / "stranger")
        nginx = Nginx(self.folder / "stranger-nginx", other)
        self._servers.append(nginx.server)
        return nginx.url(kind="tls")

    def _git(self):
        """A project with some history, packed, and what serves it; returns nginx's part."""
        work, bare = self.folder / "work", self.folder / "projects/project.git"
        environment = {"HOME": str(self.folder), "PATH": os.environ["PATH"],
                       "GIT_AUTHOR_DATE": "1700000000 +0000",
                       "GIT_COMMITTER_DATE": "1700000000 +0000", "GIT_CONFIG_NOSYSTEM": "1"}

        def git(*words):
            subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@x", *words], env=environment,
                           check=True,
                           capture_output=True)
        git("init", "-q", "-b", "main", work)
        for number in range(5):
            (work / f"{number}.txt").write_text(f"{number}\n" * 1000)
            git("-C", work, "add", "-A")
            git("-C", work, "commit", "-q", "-m", str(number))
        git("clone", "-q", "--bare", work, bare)
        git("-C", bare, "gc", "-q")
        git("-C", bare, "config", "pack.threads", "1")
        address = str(self.folder / "fcgi.sock")
        self._servers.append(Server(["fcgiwrap", "-c", "2", "-s", f"unix:{address}"], address,
                                    self.folder / "fcgi.log",
                                    environment | {"GIT_CONFIG_COUNT": "1",
                                                   "GIT_CONFIG_KEY_0": "safe.directory",
                                                   "GIT_CONFIG_VALUE_0": "*"}))
        return _GIT.format(socket=address, projects=self.folder / "projects")

    @cached_property
    def java_classes(self):
        classes = self.place.folder / "classes"
        subprocess.run(["javac", "-d", classes, APPS / "Fetch.java"], check=True, capture_output=True)
        return classes

    @cached_property
    def go_program(self):
        program = self.place.folder / "fetch"
        subprocess.run(["go", "build", "-o", program, APPS / "fetch.go"], check=True, capture_output=True,
                       cwd=self.place.folder, env=os.environ | {"GO111MODULE": "off"})
        return program

    @contextmanager
    def redis(self, prefix=(), environment=None):
        port, = free_ports(1)
        folder = self.place.fresh("redis")
        with Server([*prefix, "/usr/bin/redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                     "--dir",
                     folder], ("127.0.0.1", port), folder / "log", environment) as server:
            yield server

    # apt against a repository of our own.

    @cached_property
    def packages(self):
        """Names of some small packages, in a repository under the root."""
        root = self.nginx.root / "debian"
        root.mkdir()
        names = [f"telinject-test-{number}" for number in range(6)]
        for name in names:
            tree = self.folder / "deb" / name
            (tree / "DEBIAN").mkdir(parents=True)
            (tree / "DEBIAN/control").write_text(
                f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: n <e@x>\nDescription: {name}\n")
            (tree / "DEBIAN").chmod(0o755)
            (tree / "data").write_text(name * 1000)
            subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, root / f"{name}_1_all.deb"],
                           check=True,
                           capture_output=True)
        packages = subprocess.run(["apt-ftparchive", "packages", "."], cwd=root, check=True,
                                  capture_output=True).stdout
        (root / "Packages").write_bytes(packages)
        (root / "Release").write_bytes(subprocess.run(["apt-ftparchive", "release", "."], cwd=root,
                                                      check=True,
                                                      capture_output=True).stdout)
        return names

    def apt_row(self):
        """update (InRelease and Release.gpg are not there, Release and Packages are), then a download of six
        packages, which apt asks for in one go (pipelining). On a busy machine apt was once seen to refuse one
        of them, and to exit with 100, with nobody there to trace it.
        """
        root = self.place.folder / "apt"

        def before():
            shutil.rmtree(root, ignore_errors=True)
            for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d",
                         "etc/preferences.d", "out",
                         "etc/trusted.gpg.d"):
                (root / name).mkdir(parents=True)
            (root / "status").write_text("")
            (root / "etc/sources.list").write_text(
                f"deb [trusted=yes] http://localhost:{self.tap.port}/debian ./\n")

        options = " ".join(f"-o {each}" for each in (
            f"Dir::State={root}/state", f"Dir::State::status={root}/status", f"Dir::Cache={root}/cache",
            f"Dir::Etc={root}/etc", "APT::Sandbox::User=root", "Acquire::Languages=none",
            "Acquire::http::Proxy=DIRECT",
            "Debug::NoLocking=1", "Dir::Log=/dev/null"))
        words = ["sh", "-c",
                 f"apt-get -qq {options} update && cd {root}/out && apt-get -qq {options} download "
                             f"{' '.join(self.packages)}"]
        return client_row(self.place, self.nginx, "apt-get update, download (pipelining)", "sockets", words,
                          4 + len(self.packages), tap=self.tap, injects=0, before=before, succeeds=True,
                          after=lambda: Counter(path.name for path in (root / "out").iterdir()))


def trusting(authority):
    return ssl.create_default_context(cafile=str(authority.ca))
