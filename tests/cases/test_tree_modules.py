"""Calls before main and after it, and in libraries that come and go."""

import os
import shutil

import pytest
from teltest.run import APPS, build
from traced import tree

BEFORE = """
    preinit
      use
    early
      use
    later
      use
    {constructor}
    """
CONSTRUCTED = {
    "clang": """
    Object::Object
      use
    """,
    "gcc": """
    _GLOBAL__sub_I__ZN6ObjectC2Ev
      __static_initialization_and_destruction_0
        Object::Object
          use
    """}
MAIN = """
    main
      lazy
        Object::Object
          use
    """
AFTER = """
    Object::~Object
      use
    on_end
      use
    at_end
      use
    Object::~Object
      use
    before_last
      use
    last
      use
    """

PLUGINS = tree("""
    main
      use
        a_opened
          a_leaf
        plugin_run
          a_leaf x2
        a_closed
          a_leaf
      use
        b_opened
          b_inner
        plugin_run
          b_outer x2
            b_inner x2
      use
        a_opened
          a_leaf
        plugin_run
          a_leaf x2
        a_closed
          a_leaf
      use
        b_opened
          b_inner
        plugin_run
          b_outer x2
            b_inner x2
    """)


def whole(compiler, *after):
    before = [tree(BEFORE).replace("{constructor}", tree(CONSTRUCTED[compiler]))]
    return "\n".join(before + list(after))


def test_main_returns(traced):
    """What runs after main is a trace each."""
    run = traced.run("tree/before_after.cpp")
    assert run.outline() == whole(traced.compiler, tree(MAIN), tree(AFTER))
    assert len(run.trace.traces) == len(run.trace.roots)


def test_main_exits(traced):
    """What exit() runs is called from main, which never returns."""
    run = traced.run("tree/before_after.cpp", "exit")
    main = tree(MAIN).replace("main", "main !process_exit")
    after = "\n".join("  " + line for line in tree(AFTER).splitlines())
    assert run.outline() == whole(traced.compiler, main, after)


def test_libraries_come_and_go(traced):
    """The second is found where the first has been, and each call has its own library's names."""
    plugins = [traced.plugin(f"tree/plugin_{letter}.c") for letter in "ab"]
    run = traced.run("tree/plugins.c", 2, *plugins)
    assert run.outline() == PLUGINS
    addresses = [int(line.split()[0], 16) for line in run.result.stdout.decode().splitlines()]
    assert max(addresses) - min(addresses) < 0x1000, "they were not loaded at the same place"
    for span in run.trace.spans:
        if span.name.startswith(("a_", "b_")):
            assert span.module == f"plugin_{span.name[0]}.so"
        elif span.name == "plugin_run":
            letters = {child.name[0] for child in span.children}
            assert span.module in [f"plugin_{letter}.so" for letter in letters]
        else:
            assert span.module == "plugins"


@pytest.mark.parametrize("how", ["LD_LIBRARY_PATH", "LD_LIBRARY_PATH, here", "rpath", "needed",
                                 "dlopen"])
def test_library_by_a_relative_path(traced, tmp_path, how):
    """The loader knows such a library by that path only; the drain is elsewhere."""
    folder = tmp_path / "lib"
    folder.mkdir()
    plugin = folder / "plugin_a.so"
    shutil.copy(traced.plugin("tree/plugin_a.c"), plugin)
    if how == "dlopen":
        run = traced.run("tree/plugins.c", 1, "lib/plugin_a.so", cwd=tmp_path)
    else:
        name = "lib/plugin_a.so" if how == "needed" else "-l:plugin_a.so"
        link = ["-Wl,--no-as-needed", f"-L{folder}", *(["-Wl,-rpath,lib"] if how == "rpath" else [])]
        here = os.getcwd()
        os.chdir(tmp_path)
        try:
            program = build("linked", [APPS / "traces/sum.c"], traced.compiler, (traced.level,),
                            (*link, name))
        finally:
            os.chdir(here)
        path = {"LD_LIBRARY_PATH": "lib", "LD_LIBRARY_PATH, here": "."}.get(how)
        run = traced.run(None, command=[program], environment={"LD_LIBRARY_PATH": path} if path else {},
                         cwd=folder if path == "." else tmp_path)
    leaves = [event for event in run.result.events() if event["function_name"] == "a_leaf"]
    assert leaves
    for event in leaves:
        assert event["attributes"]["module"] == "plugin_a.so"
        assert event["attributes"]["function_file"].endswith("tree/plugin_a.c")
