"""Spans a second that one core encodes: OTLP plain and compressed, beside lines of JSON."""

import json

from measure import BUILD, run, spread

PROGRAM = BUILD / "bin/encode_spans"
TARGETS = {"OTLP": ("at least 4 M/s", 4e6)}


def measure_encoding(pinned, spans, repetitions):
    """{kind: {"rates": [spans a second], "bytes": of a span, "packed": of a span}}"""
    found = {}
    for _ in range(repetitions):
        for line in run([*pinned.prefix, PROGRAM, str(spans)]).stdout.splitlines():
            row = json.loads(line)
            new = {"rates": [], "bytes": row["bytes"], "packed": row["packed"]}
            kept = found.setdefault(row["kind"], new)
            kept["rates"].append(row["spans_per_second"])
    return found


def print_encoding(found):
    print("\nSpans encoded by one core, in requests of 4,096")
    for kind, row in found.items():
        rates = spread(row["rates"])
        rate = rates["median"]
        target, least = TARGETS.get(kind, ("", 0))
        verdict = f"  {target}{'' if rate >= least else ': MISSED'}" if target else ""
        print(f"  {kind:28} {rate / 1e6:6.2f} M/s ({rates['min'] / 1e6:.2f}..{rates['max'] / 1e6:.2f})  "
              f"{row['bytes']:6.0f} B a span, "
              f"{row['packed']:6.0f} B sent{verdict}")
