"""The table as Markdown."""
import subprocess


def _first_line(*command):
    run = subprocess.run(command, capture_output=True, text=True)
    return (run.stdout + run.stderr).splitlines()[0]


def _cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def document(rows):
    versions = [_first_line(*command) for command in (
        ("curl", "--version"), ("nginx", "-v"), ("openssl", "version"), ("git", "--version"))]
    lines = ["# Real HTTP programs", "",
             "Written by `scripts/http-table --write`; every row was run "
             "without us and with us. *log*: exchanges",
             "by the server's own log; *pairs*: http_request and http_response events of one span; *output*:",
             "stdout, stderr and exit status; *wire*: bytes both ways, "
             "without traceparent (*log*: where TLS hides",
             "them, by the lengths and fields that the server logged; -: "
             "not compared); *orphans*: parents that are",
             "nowhere in the trace. In a clean run methods, paths and "
             "statuses are those of the log, too, every",
             "traceparent that went out names a span that is written, and every event fits the schema.", "",
             f"With {'; '.join(versions)}.", "",
             "| program | layer | log | pairs | expected | output | wire | orphans | verdict |",
             "|---|---|---:|---:|---:|---|---|---:|---|"]
    for row in rows:
        verdict = "passes" if row.passed else "**fails**: " + "; ".join(problem[:300]
                                                                        for problem in row.problems)
        if row.note:
            verdict += f" ({row.note})"
        cells = (row.program, row.layer, row.logged, row.pairs, row.expected, row.output, row.wire,
                 row.orphans, verdict)
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    passed = sum(row.passed for row in rows)
    lines += ["", f"{passed} of {len(rows)} rows pass.", ""]
    return "\n".join(lines)
