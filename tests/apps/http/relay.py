"""relay.py PORT UPSTREAM: serves one connection at a time. /ask asks http://127.0.0.1:UPSTREAM/ before
it answers; all else is answered at once.
"""

import http.client
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"here"
        if self.path == "/ask":
            upstream = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]))
            upstream.request("GET", "/")
            body = upstream.getresponse().read()
            upstream.close()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
