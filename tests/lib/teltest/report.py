"""Reports of telinject report, read without a browser: as docs of shim/views/page/data.js say."""

import base64
import json
import re
import zlib
from dataclasses import dataclass

PART = re.compile(r'<script type="text/plain" id="(\w+)">([^<]*)</script>')


@dataclass
class Call:
    name: str
    start_ns: int
    length_ns: int
    depth: int
    track: int
    run: tuple = None  # of calls that are left out: how many, how long together


class Report:
    def __init__(self, page):
        parts = {name: zlib.decompress(base64.b64decode(text)) for name, text in PART.findall(page)}
        self.head = json.loads(parts.pop("head"))
        self.calls = []
        for number, track in enumerate(self.head["tracks"]):
            if track["count"]:
                self.calls += self._decode(number, track, parts.pop(f"track{number}"))
        assert not parts

    def _decode(self, number, track, data):
        at = 0

        def take():
            nonlocal at
            value, shift = 0, 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value

        now, depth = track["start"], 0
        for _ in range(track["count"]):
            now += take()
            length, function, step = take(), take(), take()
            depth += -(step + 1) // 2 if step & 1 else step // 2
            run = (take(), take()) if function == 0 else None
            name = self.head["functions"][function - 1]["name"] if function else ""
            yield Call(name, self.head["first"] + now, length, depth, number, run)
        assert at == len(data)
