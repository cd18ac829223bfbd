"""urllib against the server of argv[1]: a file, one that is not there, and a body that is sent."""

import sys
import urllib.error
import urllib.request

base = sys.argv[1]
with urllib.request.urlopen(f"{base}/large.txt") as answer:
    print(answer.status, len(answer.read()))
try:
    urllib.request.urlopen(f"{base}/gone")
except urllib.error.HTTPError as error:
    print(error.code, error.read())
try:
    urllib.request.urlopen(f"{base}/small.txt", data=b"a=b")
except urllib.error.HTTPError as error:
    print(error.code)
