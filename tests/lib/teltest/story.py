"""What a trace tells of errors, normalised: a line an event, indented by depth, a paragraph a thread.

    main
      five_frames
        f1
        f1 !unwound std::out_of_range: too far
        exception std::out_of_range: too far | f1 -> five_frames
      five_frames.
    main.

A name is an entry; a name with a full stop a return; with "!" another end, and the error. Exceptions
say where they were thrown and caught. Functions named in `without` are left out, with their errors.
"""


def story(events, without=()):
    threads = {}
    for event in events:
        name = event.get("function_name")
        if name in without and event["event_type"] != "exception_exit":
            continue
        key = (event["process"]["pid"], event["attributes"].get("thread_id"))
        lines, stack = threads.setdefault(key, ([], []))
        kind = event["event_type"]
        if kind == "function_entry":
            lines.append("  " * len(stack) + name)
            stack.append(name)
        elif kind == "function_exit":
            stack.pop()
            how = event["attributes"].get("telinject.exit")
            end = f" !{how}" if how else "" if "error" in event else "."
            lines.append("  " * len(stack) + name + end + _error(event))
        elif kind == "exception_exit":
            lines.append("  " * len(stack) + "exception" + _error(event) + " | " + _where(event))
        else:
            lines.append(f"{kind} {event['message']}")
    return "\n\n".join("\n".join(lines) for lines, _ in threads.values()) + "\n"


def _error(event):
    error = event.get("error")
    if error is None:
        return ""
    return f" {error['type']}" + (f": {error['message']}" if error["message"] else "")


def _where(event):
    attributes = event["attributes"]
    caught = attributes.get("telinject.caught")
    target = {True: attributes.get("telinject.caught_in", "?"), False: "nobody", None: "?"}[caught]
    again = " again" if attributes.get("telinject.rethrown") else ""
    return f"{attributes.get('telinject.thrown_in', '?')}{again} -> {target}"


def stack_functions(text):
    """[(function, file, line)] of a stack; file and line None where they are not known."""
    frames = []
    for number, line in enumerate(text.split("\n")):
        head, rest = line.split(" ", 1)
        assert head == f"#{number}", text
        rest, _module = rest.rsplit(" ", 1)
        if rest.endswith(")") and " (" in rest:
            function, place = rest.rsplit(" (", 1)
            file, number_text = place[:-1].rsplit(":", 1)
            frames.append((function, file, int(number_text)))
        else:
            frames.append((rest, None, None))
    return frames
