"""What binutils' nm says about a module's functions: the reference for the names in a trace."""

import functools
import re
import subprocess

# Text, weak, indirect (ifunc) and unique symbols; data and absolute ones are no functions.
_FUNCTION_TYPES = set("tTwWiu")

# gcc's and clang's clones of a function are called as the function is, with a suffix.
_CLONE = re.compile(r" \[clone [^\]]*\]")


def _nm(path, *options):
    """[(address, name)] in nm's order."""
    run = subprocess.run(["nm", "--defined-only", *options, str(path)], check=True,
                         capture_output=True, text=True)
    symbols = []
    for line in run.stdout.splitlines():
        address, kind, name = line.split(" ", 2)
        if kind in _FUNCTION_TYPES:
            symbols.append((int(address, 16), name))
    return symbols


@functools.lru_cache(maxsize=64)
def functions_at(path):
    """{address: [(linkage name, name without arguments)]} of a module."""
    table = {}
    options = ["--no-sort"]  # in the file's order, so that the two lists can be paired
    mangled = _nm(path, *options)
    if not mangled:  # stripped, as Debian's libraries are: what it exports is left
        options += ["--dynamic", "--without-symbol-versions"]
        mangled = _nm(path, *options)
    demangled = _nm(path, *options, "--demangle")
    for (address, linkage), (_, full) in zip(mangled, demangled, strict=True):
        table.setdefault(address, []).append((linkage, without_arguments(full)))
    return table


def without_arguments(demangled):
    """`ns::Shape<int>::area(double) const` -> `ns::Shape<int>::area`.

    The argument list is the last balanced pair of parentheses; what follows it are qualifiers. The
    return type that demanglers print before a function template's name goes too.
    """
    name = _CLONE.sub("", demangled)
    if not name.endswith(")") and ")" not in name:
        return name
    end = name.rfind(")")
    # "operator()" without a list, "(anonymous namespace)::f": the pair must not be part of a name.
    tail = name[end + 1:]
    if tail and not re.fullmatch(r"( const| volatile|&|&&| &| &&| noexcept|\[abi:\w+\])+", tail):
        return name
    depth = 0
    for start in range(end, -1, -1):
        if name[start] == ")":
            depth += 1
        elif name[start] == "(":
            depth -= 1
            if depth == 0:
                break
    head = name[:start]
    if head.endswith("operator") and end == start + 1:
        return name[:end + 1]
    return _without_return_type(head)


def _without_return_type(name):
    """`int max<int>` -> `max<int>`; only templates carry a return type."""
    if not name.endswith(">"):
        return name
    depth = 0
    cut = 0
    for index, letter in enumerate(name):
        if letter in "<(":
            depth += 1
        elif letter in ">)" and name[index - 1] != "-":
            depth -= 1
        elif letter == " " and depth == 0 and not name[:index].endswith("operator"):
            cut = index + 1
    return name[cut:]
