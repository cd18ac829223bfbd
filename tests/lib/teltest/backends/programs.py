"""The traces that are sent: functions run a program under telrun, with the settings given, and return
nothing. What it does is each time the same but for ids and times."""

import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from teltest.programs import sqlite
from teltest.run import APPS, build, tool
from teltest.web.processes import Server, free_ports

_SQL = b"""CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
INSERT INTO t VALUES(1, 'one'), (2, 'two'), (3, 'three');
SELECT count(*), max(b) FROM t WHERE a > 1;
"""


def _run(command, environment, **more):
    """A program may fail: crashes are among them."""
    subprocess.run([tool("telrun"), "--", *command], env=environment, stdout=subprocess.DEVNULL, timeout=300,
                   check=False, **more)


def _sqlite(environment):
    _run(sqlite("gcc", "-O0").command, environment, input=_SQL)


def _exceptions(environment):
    program = build("exceptions", [APPS / "errors/exceptions.cpp"], "gcc", ("-O0", "-pthread"),
                    ("-pthread", "-ldl"))
    _run([program, "five_frames"], environment)


def _crash(environment):
    program = build("notice", [APPS / "notice.c"], "gcc", ("-O0", "-pthread"), ("-pthread",))
    _run([program, "calls", "10", "in", "segv"], environment, stderr=subprocess.DEVNULL)


_NGINX = """daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{ }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
uwsgi_temp_path {folder}; scgi_temp_path {folder};
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{behind}; }}
location /no {{ return 503; }} }} }}
"""


def _http(environment):
    """A client, a proxy and a server behind it, all traced: the client's calls, three requests, each on two
    connections, and the server's calls. One is not found, one is answered by the proxy."""
    server = build("server", [APPS / "http/server.cpp"], "gcc", ("-O0", "-pthread"),
                   ("-lssl", "-lcrypto", "-pthread"))
    client = build("client", [APPS / "http/client.cpp"], "gcc", ("-O0",), ("-lcurl",))
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder, ExitStack() as stack:
        port, behind = free_ports(2)
        config = Path(folder) / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, behind=behind))
        log = Path(folder) / "log"
        for command, on, stop in (
                ([server, behind], behind, signal.SIGTERM),
                (["nginx", "-c", config, "-e", f"{folder}/error.log"], port, signal.SIGQUIT)):
            started = stack.enter_context(Server([tool("telrun"), "--", *command], ("127.0.0.1", on), log,
                                                 environment, stop=stop))
            stack.callback(started.stop)
        url = f"http://127.0.0.1:{port}"
        _run([client, "", f"{url}/a?b=c", f"{url}/missing", f"{url}/no"], environment)


ALL = {"sqlite": _sqlite, "exceptions": _exceptions, "crash": _crash, "http": _http}
