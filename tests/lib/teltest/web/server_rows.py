"""Servers: traced, asked by clients that are not."""

import re
from collections import Counter

from teltest.run import tool
from teltest.web.row import Row, compare_counters, compare_output, look_at
from teltest.web.tap import Tap

# What a client of ours sends that is traced itself; a server has to go on with it.
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"traceparent: 00-{TRACE}-{SPAN}-01"


def server_row(place, program, layer, start, load, log, expected, *, tap=True, settings=None,
               remote=0, clean=lambda text: text, look=None, tolerance=0, clients=0, check=None):
    """start(prefix, environment) -> server with stop(); load(port) -> command; log(server) -> entries, as
    (method, path, status), or their number. clients: client exchanges that it makes itself (a proxy).
    remote: how many requests bring a traceparent. tolerance: of the counts.
    """
    row = Row(program, layer, expected=f"{expected} + {clients} as a client" if clients else expected)
    outcomes, pieces, statuses, logged = [], [], [], []
    events = place.events_file()
    for traced in (False, True):
        prefix = [str(tool("telrun")), "--"] if traced else []
        server = start(prefix, place.variables(events if traced else None, settings if traced else None))
        between = None
        try:
            port = server.address[1]
            if tap:
                between = Tap(port)
                port = between.port
            outcomes.append(place.run(load(port)))
            pieces.append(between.taken() if between else None)
            if between:
                between.close()
            statuses.append(server.stop())
            logged.append(log())
        finally:
            server.kill()
    strip = (lambda text: re.sub(rb"localhost:\d+|127\.0\.0\.1:\d+", b"HOST", clean(text)))
    compare_output(row, *outcomes, strip)
    row.check(statuses[0] == statuses[1], f"it ended with {statuses[1]}, untraced with {statuses[0]}")
    if tap:
        for way, name in ((0, "what the clients sent"), (1, "what it answered")):
            counters = (Counter(strip(piece) for piece in each[way]) for each in pieces)
            compare_counters(row, name, *counters)
    else:
        row.wire = "-"
    found = look_at(row, events, "any" if clients else "server", {(TRACE, SPAN)} if remote else ())
    entries = logged[1]
    row.logged = entries if isinstance(entries, int) else len(entries)
    served = [exchange for exchange in found.of("server") if exchange.response]
    made = [exchange for exchange in found.of("client") if exchange.response]
    row.pairs = len(served) + len(made)
    row.check(abs(row.logged - expected) <= tolerance, f"it logged {row.logged}, {expected} are expected")
    row.check(abs(len(served) - expected) <= tolerance,
              f"{len(served)} server pairs, {expected} are expected: {served[:3]}")
    row.check(len(made) == clients, f"{len(made)} client pairs, {clients} are expected: {made[:3]}")
    if not isinstance(entries, int) and not tolerance:
        emitted, expected_keys = Counter(exchange.key() for exchange in served), Counter(entries)
        row.check(emitted == expected_keys, f"methods, paths, statuses differ from the log: "
                                            f"{list((emitted - expected_keys).items())[:3]}, log "
                                            f"{list((expected_keys - emitted).items())[:3]}")
    if remote:
        adopted = [exchange for exchange in served if (exchange.trace, exchange.parent) == (TRACE, SPAN)]
        row.check(len(adopted) == remote, f"{len(adopted)} adopted the traceparent, {remote} are expected")
        row.note = f"{len(adopted)} adopted a traceparent"
    if check:
        check(row, found)
    return row


def server_and_client_are_one_trace(row, found):
    """A proxy's own request is the child of the one that it serves, and goes out in that trace."""
    by_id = {exchange.id: exchange for exchange in found.of("server")}
    loose = [exchange for exchange in found.of("client")
             if exchange.parent not in by_id or by_id[exchange.parent].trace != exchange.trace]
    row.check(not loose, f"{len(loose)} client spans are no children of a server span: {loose[:2]}")
    row.note += "; " if row.note else ""
    row.note += f"{len(found.of('client')) - len(loose)} client spans below their server spans"
