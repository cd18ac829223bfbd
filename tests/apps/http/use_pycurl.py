"""pycurl: a handle that is used twice, then three at once by a multi handle."""

import io
import os
import sys

import pycurl

base = sys.argv[1]


def handle(path):
    made, body = pycurl.Curl(), io.BytesIO()
    made.setopt(pycurl.URL, base + path)
    made.setopt(pycurl.WRITEDATA, body)
    made.setopt(pycurl.CAINFO, os.environ["SSL_CERT_FILE"])
    return made, body


easy, body = handle("/small.txt")
easy.perform()
easy.setopt(pycurl.URL, base + "/1.txt")
easy.perform()
print(easy.getinfo(pycurl.RESPONSE_CODE), body.getvalue())
easy.close()

multi = pycurl.CurlMulti()
handles = [handle(f"/{number}.txt") for number in range(3)]
for one, _ in handles:
    multi.add_handle(one)
running = 1
while running:
    _, running = multi.perform()
    multi.select(0.1)
print([len(body.getvalue()) for _, body in handles])
