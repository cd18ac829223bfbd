"""What a processor leaves when it is interrupted is all that the next one needs: `telinject convert` goes on
as if nothing had happened, wherever the seam is.
"""

import ssl
import subprocess

import pytest

from teltest.run import APPS, build, build_directory, clean_environment, tool
from teltest.web.authority import Authority
from teltest.web.nginx import Nginx
from teltest.web.processes import free_ports

PROGRAMS = {
    "everything": ("recorded.c", ["-pthread"], []),
    "coroutines": ("tree/coroutines.c", [], []),
    "thrown": ("tree/exceptions.cpp", [], []),
    "exceptions": ("errors/exceptions.cpp", ["-pthread"], ["five_frames"]),
    "crash": ("errors/crashes.cpp", ["-pthread"], ["segv"]),
    "longjmp": ("tree/longjmp.c", [], []),
    "signals": ("tree/signal_jumps.c", [], []),
    "threads": ("tree/threads.c", ["-pthread"], ["together", "8", "5"]),
    "thread_ends": ("tree/thread_ends.c", ["-pthread"], []),
}


def record(folder, command, settings=None):
    subprocess.run([*recorded(folder), *command], timeout=120, check=False, stdin=subprocess.DEVNULL,
                   env=clean_environment() | {"TELEMETRY_SUMMARY": "never"} | (settings or {}),
                   capture_output=True)
    return recording_in(folder)


def recorded(folder):
    return [tool("telrun"), "--on-full=block", "--record", folder / "record", "--"]


def recording_in(folder):
    return next((folder / "record").glob("*.telrec"))


def split_convert(recording, records, how, *options):
    done = subprocess.run([build_directory() / "tests/split_convert", recording, str(records), how, *options],
                          env=clean_environment(), capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, int(done.stderr.split()[-1])


def check_any_moment(recording, figure):
    """The state that a processor leaves is all that the next one needs: byte for byte, ids and times
    included, wherever the seam is. Returns the events."""
    size = recording.stat().st_size
    most = 0
    for options in (["full"], ["lean"], ["full", "2000"]):
        for records in (max(1, size // 20000), 7 + size // 5000):
            alone, changes = split_convert(recording, records, "alone", *options)
            relay, _ = split_convert(recording, records, "relay", *options)
            assert relay == alone, (records, options)
            most = max(most, changes)
    figure(f"{most} changes")
    return alone


@pytest.mark.parametrize("name", PROGRAMS)
def test_any_moment_will_do(name, tmp_path, figure):
    source, link, arguments = PROGRAMS[name]
    program = build(name, [APPS / source], "gcc", ("-O0",), tuple(link))
    events = check_any_moment(record(tmp_path, [program, *arguments]), figure)
    assert b'"function_exit"' in events


# HTTP: what is open at a seam are exchanges, connections and transfers, and who refers to whom.

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


# A server and its clients in one session. Each connection is one that the other side has, too.
SERVER_AND_CLIENTS = """
server=$1 client=$2 crowd=$3 port=$4 other=$5
"$server" $port & first=$!
"$crowd" server $other & second=$!
for each in $port $other; do
  until { exec 3<>/dev/tcp/127.0.0.1/$each; } 2>/dev/null; do sleep .05; done
  exec 3>&-
done
"$client" none http://127.0.0.1:$port/{a,bc,missing,d} http://127.0.0.1:1/refused
"$crowd" client $other 30 10
kill $first $second
wait
"""


def count(events, kind, *words):
    return sum(f'"event_type":"{kind}"'.encode() in line and all(word.encode() in line for word in words)
               for line in events.splitlines())


@pytest.mark.long
@pytest.mark.parametrize("settings", [{}, {"SAMPLE_RATE": "0.5", "TELEMETRY_TOTALS": "exact"}],
                         ids=["all", "a sample"])
def test_any_moment_of_http_will_do(tmp_path, figure, settings):
    server = build("server", [APPS / "http/server.cpp"], "gcc", ("-O0",), ("-pthread", "-lssl", "-lcrypto"))
    client = build("client", [APPS / "http/client.cpp"], "gcc", ("-O0",), ("-lcurl",))
    crowd = build("crowd", [APPS / "http/crowd.cpp"], "gcc", ("-O0",))
    command = ["bash", "-c", SERVER_AND_CLIENTS, "bash", server, client, crowd, *map(str, free_ports(2))]
    events = check_any_moment(record(tmp_path, command, settings), figure)
    if not settings:
        for role, requests in (("client", 35), ("server", 34)):
            assert count(events, "http_response", f'"span.kind":"{role}"') == requests
        assert count(events, "http_response", "CURLE_COULDNT_CONNECT") == 1


def test_any_moment_of_http2_will_do(authority, tmp_path, figure):
    """Streams side by side, redirects, errors; at the client, then at the server."""
    with Nginx(tmp_path / "nginx", authority) as nginx:
        paths = [f"/{number}.txt" for number in range(8)] + ["/redirect", "/gone", "/broken"]
        urls = [word for path in paths for word in ("-o", "/dev/null", nginx.url(path, "h2"))]
        command = ["curl", "-q", "-L", "--no-progress-meter", "--cacert", authority.ca, "--parallel", *urls]
        events = check_any_moment(record(tmp_path, command), figure)
        assert count(events, "http_response", '"network.protocol.version":"2"') == len(paths) + 2
    at_server = tmp_path / "server"
    at_server.mkdir()
    with Nginx(tmp_path / "traced", authority, recorded(at_server),
               clean_environment() | {"TELEMETRY_SUMMARY": "never"}) as nginx:
        urls = [word for path in paths for word in ("-o", "/dev/null", nginx.url(path, "h2"))]
        subprocess.run([*command[:command.index("-o")], *urls], check=True, timeout=60,
                       env=clean_environment())
        nginx.stop()
    events = check_any_moment(recording_in(at_server), figure)
    assert count(events, "http_response", '"network.protocol.version":"2"') == len(paths) + 2


OPAQUE = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(open(sys.argv[2], "rb").read())
    connection.recv(1000)
    connection.sendall(bytes(50))
    while connection.recv(1000):
        pass
"""


def test_any_moment_of_tls_will_do(authority, tmp_path, figure):
    """A connection that nobody decrypts: a handshake that is begun by hand, and given up by the server."""
    outgoing = ssl.MemoryBIO()
    hello = ssl.create_default_context(cafile=authority.ca).wrap_bio(ssl.MemoryBIO(), outgoing,
                                                                     server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    (tmp_path / "hello").write_bytes(outgoing.read())
    with Nginx(tmp_path / "nginx", authority) as nginx:
        command = ["/usr/bin/python3", "-c", OPAQUE, nginx.tls, tmp_path / "hello"]
        events = check_any_moment(record(tmp_path, list(map(str, command))), figure)
    assert count(events, "tls_connection") == 1
