"""Real HTTP clients against servers on this machine: what they send with us and without."""

import pytest
from teltest.recording_server import RecordingServer, make_certificate
from ways import TRACED

TRACEPARENT = r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]"


class Clients:
    """Runs a client all ways and compares: its outcome, and each request that the server got."""

    def __init__(self, ways, folder):
        self.ways = ways
        self.certificate, key = make_certificate(folder)
        self.plain = RecordingServer()
        self.secure = RecordingServer((self.certificate, key))
        self.environment = {"CURL_CA_BUNDLE": str(self.certificate), "SSL_CERT_FILE": str(self.certificate),
                            "GIT_SSL_CAINFO": str(self.certificate), "HOME": str(folder)}

    def close(self):
        self.plain.close()
        self.secure.close()

    def requests(self, command, server, way, **start):
        outcome = self.ways.run(command, way, self.environment, **start)
        return outcome, server.taken()

    def same(self, command, server=None, clean=lambda text: text, traceparents=1, **start):
        """Returns the requests of the traced runs. Each has `traceparents` headers of ours more than it has
        alone, and is the same else, byte for byte."""
        server = server or self.secure
        alone, expected = self.requests(command, server, "alone", **start)
        assert expected, (command, alone)
        found = []
        for way in TRACED:
            outcome, requests = self.requests(command, server, way, **start)
            assert outcome.status == alone.status
            assert clean(outcome.out) == clean(alone.out)
            assert clean(outcome.err) == clean(alone.err)
            assert [without_ours(request, other) for request, other in zip(requests, expected)] == \
                [request.head for request in expected]
            assert [request.body for request in requests] == [request.body for request in expected]
            for request, other in zip(requests, expected):
                ours = len(request.values("traceparent")) - len(other.values("traceparent"))
                assert ours == traceparents, request.head
            found.append(requests)
        return found


def without_ours(request, alone):
    """The head without the traceparent, if the program had none of its own."""
    if alone.values("traceparent"):
        return request.head
    lines = request.head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"traceparent:"))


@pytest.fixture
def clients(ways, tmp_path):
    made = Clients(ways, tmp_path)
    yield made
    made.close()
