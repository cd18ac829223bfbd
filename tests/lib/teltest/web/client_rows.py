"""Clients: traced, against servers that are not."""

from collections import Counter

from teltest.web.row import (Row, compare_counters, compare_output, keys, look_at, normalised, traceparents)


def client_row(place, nginx, program, layer, command, expected, *, tap=None, clean=lambda text: text,
               injects=None, environment=None, settings=None, before=None, after=None, version=None,
               statuses_known=True, logged=None, opaque=False, chunks_vary=False, cwd=None, succeeds=False):
    """Runs `command` without us and with us and compares.

    command: words, or a function that makes them. expected: pairs, and entries in nginx's log.
    tap: where plain bytes pass. injects: how many requests have to carry a traceparent of ours.
    before(): prepares a run. after(): what a run has left, to be compared. version: of HTTP. opaque: nobody
    decrypts these connections: each is one event. logged: entries in the log, where they are not the pairs.
    chunks_vary: how the server cuts its answer depends on time, so that lengths of answers say nothing; what
    the client makes of them does. succeeds: a run without us that fails has nothing to compare with, and is
    repeated, twice at most.
    """
    row = Row(program, layer, expected=expected)
    words = command if callable(command) else lambda: command
    outcomes, entries, pieces, left = [], [], [], []
    events = place.events_file()
    logged = expected if logged is None else logged

    def run(traced):
        if before:
            before()
        nginx.entries()
        if tap:
            tap.taken()
        return place.run(words(), events if traced else None, environment, settings if traced else None, cwd)

    for traced in (False, True):
        outcome = run(traced)
        for _ in range(2 if succeeds and not traced else 0):
            if outcome.status == 0:
                break
            print(f"{program}: failed without us, again: {outcome}")
            outcome = run(traced)
        outcomes.append(outcome)
        entries.append(nginx.settled(logged))
        pieces.append(tap.taken() if tap else None)
        left.append(after() if after else None)
    compare_output(row, *outcomes, clean)
    row.check(left[0] == left[1], "what it wrote differs")
    compare_counters(row, "the server's log", *(normalised(each, not chunks_vary) for each in entries))
    if tap:
        for way, name in ((0, "what it sent"), *([] if chunks_vary else [(1, "what it got")])):
            compare_counters(row, name, Counter(pieces[0][way]), Counter(pieces[1][way]))
    else:
        row.wire += " (log)"
    row.logged = len(entries[1])
    found = look_at(row, events, "client")
    row.check(row.logged == logged, f"the server logged {row.logged}, {logged} are expected")
    row.check(row.pairs == expected, f"{row.pairs} pairs, {expected} are expected: {found.all[:4]}")
    if opaque:
        connections = len({entry["connection"] for entry in entries[1]})
        row.check(len(found.opaque) == connections,
                  f"{len(found.opaque)} opaque TLS connections, the server saw {connections}")
        row.note = f"{len(found.opaque)} opaque TLS connection event(s)"
    elif statuses_known:
        emitted = Counter(exchange.key() for exchange in found.of("client"))
        expected_keys = keys(entries[1])
        row.check(emitted == expected_keys, f"methods, paths, statuses differ from the log: "
                                            f"{list((emitted - expected_keys).items())[:3]}, log "
                                            f"{list((expected_keys - emitted).items())[:3]}")
    if version:
        versions = Counter(exchange.version for exchange in found.of("client"))
        row.check(set(versions) == {version}, f"versions {dict(versions)}, not {version}")
    _check_context(row, found, entries, injects)
    return row


def _check_context(row, found, entries, injects):
    """Every traceparent that went out is one request's own, and is emitted."""
    sent = traceparents(entries[1])
    if injects is not None:
        row.check(len(sent) == injects, f"{len(sent)} requests carry a traceparent, not {injects}")
        row.note = f"{len(sent)} traceparents" + (f"; {row.note}" if row.note else "")
    unknown = [text for text in sent if not found.emitted(text)]
    row.check(not unknown, f"{len(unknown)} traceparents name no emitted span: {unknown[:1]}")
    twice = [text for text, count in Counter(sent).items() if count > 1]
    row.check(not twice, f"a traceparent was sent twice: {twice[:1]}")


def quiet_row(place, program, layer, command, server_log, expected=0, clean=lambda text: text):
    """A program that speaks something else: nothing may appear."""
    row = Row(program, layer, expected=expected)
    events = place.events_file()
    outcomes = [place.run(command), place.run(command, events)]
    compare_output(row, *outcomes, clean)
    row.logged = server_log()
    found = look_at(row, events, "client")
    row.check(not found.all and not found.opaque, f"{len(found.all)} exchanges appeared: {found.all[:2]}")
    row.wire = "-"
    return row
