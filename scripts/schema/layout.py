"""JSON as people read it: what fits into a line is one."""

import json

WIDTH = 116


def text_of(value, indent=0, room=WIDTH):
    """`room`: columns that the value may take if it is one line."""
    line = _line(value)
    if len(line) <= room or not isinstance(value, (dict, list)) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value):
        return f"[\n{_filled([_line(each) for each in value], inner)}\n{' ' * indent}]"
    parts = []
    for key, member in value.items() if isinstance(value, dict) else ((None, each) for each in value):
        head = "" if key is None else json.dumps(key) + ": "
        parts.append(inner + head + text_of(member, indent + 2, WIDTH - indent - 3 - len(head)))
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(parts) + f"\n{' ' * indent}{closing}"


def _filled(words, inner):
    lines = [inner + words[0]]
    for word in words[1:]:
        lines[-1] += ","
        if len(lines[-1]) + len(word) + 2 > WIDTH:
            lines.append(inner + word)
        else:
            lines[-1] += " " + word
    return "\n".join(lines)


def _line(value):
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{json.dumps(key)}: {_line(member)}" for key, member in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_line, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
