"""What connections begin with and carry on with: methods of any name, proxies' headers, other protocols that
look like HTTP, and what is counted where it cannot be read.
"""

import json
from collections import Counter

import pytest
from teltest.run import APPS, run
from teltest.web.authority import Authority

PYTHON = "/usr/bin/python3"
OK = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


def get(path, method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: a.example\r\n{more}\r\n"


def play(tmp_path, *conversations, settings=None):
    script = tmp_path / "conversations.json"
    script.write_text(json.dumps(conversations))
    result = run([PYTHON, APPS / "http/conversation.py", script], tmp_path / "events", settings=settings)
    assert (result.status, result.stdout) == (0, b"")
    return result


def http_events(result):
    return [event for event in result.events() if event["event_type"].startswith(("http_", "tls_"))]


def exchanges(result):
    """{(kind, method, path, status): how many}; each must be a pair."""
    requests = {event["span_id"]: event for event in http_events(result)
                if event["event_type"] == "http_request"}
    answers = [event for event in http_events(result) if event["event_type"] == "http_response"]
    assert Counter(requests.keys()) == Counter(event["span_id"] for event in answers)
    found = Counter()
    for answer in answers:
        request = requests[answer["span_id"]]
        url = request["http"]["request"]["url"]
        found[(request["attributes"]["span.kind"], request["http"]["request"]["method"],
               url.split("a.example")[-1], answer["http"]["response"]["status_code"])] += 1
    return found


def both_sides(*wanted):
    return Counter((kind, *each) for each in wanted for kind in ("client", "server"))


# Conversations as RFC 3261 (24.2), RFC 2326 (14), RFC 5321 (D.1), RFC 1459, and the protocols' own
# documents have them.
SIP = [
    ["c", "INVITE sip:bob@biloxi.example.com SIP/2.0\r\nVia: SIP/2.0/TCP client.atlanta.example.com:5060;"
          "branch=z9hG4bK74b43\r\nMax-Forwards: 70\r\n"
          "From: Alice <sip:alice@atlanta.example.com>;tag=9fxced\r\n"
          "To: Bob <sip:bob@biloxi.example.com>\r\nCall-ID: 3848276298220188511@atlanta.example.com\r\n"
          "CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: 7\r\n\r\nv=0\r\no\n"],
    ["s", "SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"],
    ["s", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"],
    ["c", "ACK sip:bob@client.biloxi.example.com SIP/2.0\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"],
    ["c", "OPTIONS sip:carol@chicago.com SIP/2.0\r\nCSeq: 2 OPTIONS\r\nContent-Length: 0\r\n\r\n"],
    ["s", "SIP/2.0 200 OK\r\nCSeq: 2 OPTIONS\r\nContent-Length: 0\r\n\r\n"],
    ["c", "BYE sip:bob@client.biloxi.example.com SIP/2.0\r\nCSeq: 3 BYE\r\nContent-Length: 0\r\n\r\n"]]
RTSP = [
    ["c", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"],
    ["s", "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, TEARDOWN, PLAY, PAUSE\r\n\r\n"],
    ["c", "DESCRIBE rtsp://example.com/fizzle/foo RTSP/1.0\r\nCSeq: 312\r\nAccept: application/sdp\r\n\r\n"],
    ["s", "RTSP/1.0 200 OK\r\nCSeq: 312\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0"],
    ["c", "SETUP rtsp://example.com/foo/bar.rm RTSP/1.0\r\nCSeq: 302\r\n\r\n"],
    ["s", "RTSP/1.0 200 OK\r\nCSeq: 302\r\nSession: 47112344\r\n\r\n"],
    ["c", "PLAY rtsp://example.com/foo RTSP/1.0\r\nCSeq: 4\r\nSession: 47112344\r\n\r\n"]]
SMTP = [
    ["s", "220 foo.com Simple Mail Transfer Service Ready\r\n"], ["c", "EHLO bar.com\r\n"],
    ["s", "250-foo.com greets bar.com\r\n250 HELP\r\n"], ["c", "MAIL FROM:<Smith@bar.com>\r\n"],
    ["s", "250 OK\r\n"], ["c", "DATA\r\n"], ["s", "354 go on\r\n"],
    ["c", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n.\r\n"], ["s", "250 OK\r\n"], ["c", "QUIT\r\n"]]
REDIS = [["c", "PING\r\n"], ["s", "+PONG\r\n"], ["c", "*2\r\n$3\r\nGET\r\n$14\r\nGET / HTTP/1.1\r\n"],
         ["s", "$-1\r\n"], ["c", "GET /x\r\n"], ["s", "$-1\r\n"]]
MEMCACHED = [["c", "get /key\r\n"], ["s", "END\r\n"], ["c", "set k 0 0 2\r\nab\r\n"], ["s", "STORED\r\n"],
             ["c", "gets /a /b\r\n"], ["s", "END\r\n"]]
IRC = [["c", "NICK Wiz\r\nUSER guest tolmoon tolsun :Ronnie Reagan\r\n"],
       ["s", ":tolsun.oulu.fi 001 Wiz :Welcome\r\n"], ["c", "JOIN #foobar\r\n"],
       ["c", "PRIVMSG Wiz :GET / HTTP/1.1\r\n"], ["s", "PING :tolsun\r\n"]]
OTHERS = {"SIP": SIP, "RTSP": RTSP, "SMTP": SMTP, "Redis": REDIS, "memcached": MEMCACHED, "IRC": IRC}


@pytest.mark.parametrize("name", OTHERS)
def test_other_protocols_of_lines_are_not_taken_for_http(name, tmp_path):
    result = play(tmp_path, OTHERS[name])
    assert not http_events(result)
    assert not [event for event in result.events() if event["event_type"] == "telemetry_loss"]


def test_any_token_is_a_method_and_what_follows_it_is_seen(tmp_path):
    methods = ["QUERY", "BAN", "PURGE", "RPC_IN_DATA", "get", "M-SEARCH", "PRI_X", "PROXY", "HTTP",
               "x!#$%&'*+-.^`|~"]
    result = play(tmp_path, *[[["c", get("/first", method)], ["s", OK], ["c", get("/then")], ["s", OK]]
                              for method in methods])
    assert exchanges(result) == both_sides(*[(method, "/first", 200) for method in methods],
                                           *[("GET", "/then", 200)] * len(methods))


def test_legal_oddities(tmp_path):
    result = play(
        tmp_path,
        [["c", "\r\n\r\n" + get("*", "OPTIONS")], ["s", OK], ["c", "\n" + get("/lf").replace("\r", "")],
         ["s", OK.replace("\r", "")], ["c", get("/folded", more="X: a\r\n b\r\n")],
         ["s", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + OK],
         ["c", get("/twice", "POST", "Content-Length: 2\r\nContent-Length: 2\r\n") + "ab"],
         ["s", "HTTP/1.1 200\r\nContent-Length: 3, 3\r\n\r\nok\n"],
         ["c", get("/head", "HEAD")], ["s", "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n"],
         ["c", get("/304")], ["s", "HTTP/1.1 304 No\r\nContent-Length: 300\r\n\r\n"],
         ["c", "GET  http://a.example/absolute  HTTP/1.1\r\nHost: a.example\r\n\r\n"],
         ["s", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3 ;a=\"b\"\nok\n\n0\nSum: 1\n\n"],
         ["c", get("/last")], ["s", OK]])
    assert exchanges(result) == both_sides(
        ("OPTIONS", "", 200), ("GET", "/lf", 200), ("GET", "/folded", 200), ("POST", "/twice", 200),
        ("HEAD", "/head", 200), ("GET", "/304", 304), ("GET", "/absolute", 200), ("GET", "/last", 200))


def test_socks_4a_and_a_password_that_nobody_sees(tmp_path):
    word = "Xk29pass"
    four = [["c", "\x04\x01\x1f\x90\0\0\0\x01me\0shop.example\0"], ["s", "\0\x5a\0\0\0\0\0\0"]]
    five = [["c", "\x05\x02\0\x02"], ["s", "\x05\x02"], ["c", f"\x01\x02me{chr(len(word))}{word}"],
            ["s", "\x01\0"], ["c", "\x05\x01\0\x03\x0cshop.example\x1f\x90"],
            ["s", "\x05\0\0\x01\0\0\0\0\0\0"]]
    result = play(tmp_path, *[[*way, ["c", "GET /x HTTP/1.0\r\n\r\n"], ["s", OK]] for way in (four, five)])
    requests = [event for event in http_events(result) if event["event_type"] == "http_request"]
    assert [event["http"]["request"]["url"] for event in requests] == ["http://shop.example:8080/x"] * 2
    for event in requests:
        assert event["attributes"]["telinject.http.proxy_target"] == "shop.example:8080"
        assert event["attributes"]["telinject.http.proxied"] is True
    assert word not in result.events_path.read_text()


def test_the_proxy_protocol_before_tls_in_memory(tmp_path):
    authority = Authority(tmp_path / "authority")
    result = run([PYTHON, APPS / "http/start_tls.py", authority.certificate, authority.key],
                 tmp_path / "events")
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")
    assert exchanges(result) == both_sides(("GET", "/1", 200), ("GET", "/2", 200))
    assert not [event for event in http_events(result) if event["event_type"].startswith("tls_")]
    for event in http_events(result):
        attributes = event["attributes"]
        server = attributes["span.kind"] == "server"
        assert attributes.get("client.address") == ("192.0.2.9" if server else None)
        assert attributes["network.peer.address"] == "127.0.0.1"


def test_a_connection_that_is_given_up_is_counted_on(tmp_path):
    broken = "HTTP/1.1 2x0 OK\r\n\r\n"
    result = play(tmp_path, [["c", get("/broken")], ["s", broken], ["c", get("/1")], ["s", OK],
                             ["c", get("/2", "POST", "Content-Length: 5\r\n")], ["c", "a b\nc"], ["s", OK]],
                  settings={"TELEMETRY_SUMMARY": "always"})
    ends = [event["attributes"].get("telinject.http.end") for event in http_events(result)
            if event["event_type"] == "http_response"]
    assert ends == ["unparsed"] * 2
    losses = [event["attributes"] for event in result.events() if event["event_type"] == "telemetry_loss"]
    assert sum(loss["telinject.lost_calls"] for loss in losses) == 4  # two exchanges, on either side
    assert {loss["telinject.loss_reason"] for loss in losses} == {"http_unparsed"}
    assert b"lost       http_unparsed 4\n" in result.stderr


def test_totals_and_summary_have_methods_hosts_statuses_and_failures(tmp_path):
    totals = tmp_path / "totals.json"
    failing = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    result = play(tmp_path, [["c", get("/a")], ["s", OK], ["c", get("/b")], ["s", OK],
                             ["c", get("/c", "QUERY")], ["s", failing], ["c", get("/cut")]],
                  settings={"TELEMETRY_SUMMARY": "always", "TELEMETRY_TOTALS_FILE": str(totals)})
    rows = {(row["span_kind"], row["method"], row["host"], row.get("status_code", row.get("error_type"))): row
            for row in json.loads(totals.read_text())["http"]}
    for side in ("client", "server"):
        assert {key: (row["requests"], row["errors"]) for key, row in rows.items() if key[0] == side} == {
            (side, "GET", "a.example", 200): (2, 0), (side, "QUERY", "a.example", 503): (1, 1),
            (side, "GET", "a.example", "connection_closed"): (1, 1)}
    assert all(0 < row["p50_ns"] <= row["p99_ns"] for row in rows.values())
    text = result.stderr.decode()
    assert "  http       8 requests, 4 failed\n" in text
    assert "failed: QUERY http://a.example/c 503  (2 times)\n" in text
    assert "failed: GET http://a.example/cut connection_closed  (2 times)\n" in text
    assert "served GET a.example 200 " in text and "and 1 more: telrun --totals FILE" in text
