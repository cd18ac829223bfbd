"""requests against the server of argv[1]: a session that keeps its connection, redirects, a stream."""

import sys

import requests

base = sys.argv[1]
with requests.Session() as session:
    answer = session.get(f"{base}/redirect")
    print(answer.status_code, [each.status_code for each in answer.history], answer.text)
    print(session.head(f"{base}/large.txt").headers["content-length"])
    with session.get(f"{base}/zipped.txt", stream=True) as answer:
        print(sum(len(chunk) for chunk in answer.iter_content(1000)))
