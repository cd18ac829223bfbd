"""Checks on telinject's output, and helpers to build and run traced programs.

    events    reads lines of telemetry
    lean      events of TELEMETRY_DETAIL=lean, told in full
    problems  what is wrong, collected by kind
    schema    every line against the JSON Schema, with a validator that is not ours
    tree      sequence, times, spans, parents, nesting: what one line cannot show
    outline   normalised call trees ("main > f > g x3") for golden comparison
    counts    entries per function against those of an independent counting hook
    names     what nm says about a module's functions
    run       builds and runs programs, traced and not
    generate  random programs that know their own call tree
    truth     compares a trace with what such a program knew
    programs  SQLite and Lua, built for tracing

`python3 -m teltest.check FILE` prints what is wrong with a trace.
"""
