"""A call of a library's function that we wrap reaches the very function that it reaches without us:
whichever of several libraries the loader would have bound it to."""

import itertools
import subprocess

import pytest
from teltest.run import APPS

SOURCES = APPS / "libraries"
BARE = ("alone", "preload")


class Workshop:
    """Builds libraries that stand for OpenSSL and libcurl, and programs and plugins that call them."""

    def __init__(self, ways, folder):
        self.ways = ways
        self.folder = folder

    def compile(self, target, *arguments):
        subprocess.run(["gcc", "-O2", "-fPIC", *map(str, arguments), "-o", target], check=True)
        return target

    def provider(self, number, version=None, folder=""):
        """lib<number>.so, whose functions return that number; with that symbol version, if any."""
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        flags = [f"-Wl,-soname,lib{number}.so"]
        if version:
            script = place / f"{number}.map"
            script.write_text(f"{version} {{ global: *; }};\n")
            flags.append(f"-Wl,--version-script={script}")
        return self.compile(place / f"lib{number}.so", "-shared", f"-DID={number}", SOURCES / "provider.c",
                            *flags)

    def plugin(self, name, *providers, jump=False, extra=()):
        """A library whose run() calls what it was linked against."""
        return self.compile(self.folder / f"{name}.so", "-shared", "-DNAME=run", "-DNAME_CURL=run_curl",
                            *(["-DJUMP"] if jump else []), SOURCES / "caller.c", *extra, *providers,
                            f"-Wl,-rpath,{self.folder}")

    def program(self, *providers, extra=()):
        flags = ["-DOWN", "-DNAME=own", "-DNAME_CURL=own_curl", SOURCES / "caller.c"] if providers else []
        return self.compile(self.folder / "binds", SOURCES / "binds.c", *flags, *extra,
                            "-Wl,--no-as-needed", *providers, f"-Wl,-rpath,{self.folder}")

    def says(self, program, *words):
        """What it prints, which is what it prints alone."""
        outcome = self.ways.same([program, *words], ways=BARE)
        assert outcome.status == 0 and outcome.err == b""
        return outcome.out.decode().split("\n")[:-1]


@pytest.fixture
def shop(ways, tmp_path):
    return Workshop(ways, tmp_path)


VERSIONS = [(None, None), ("V1", "V2"), ("V1", "V1"), (None, "V2"), ("V1", None)]


@pytest.mark.parametrize("first, second", VERSIONS)
def test_program_and_plugin_use_different_libraries(shop, first, second):
    one, two = shop.provider(1, first), shop.provider(2, second)
    plugin = shop.plugin("plugin", two)
    said = shop.says(shop.program(one), "call", "local", plugin, "run", plugin, "call")
    assert said[0] == "own: 1 1"
    # The program's library comes first for all, unless the plugin asks for a version it has not.
    if (first, second) == ("V1", "V2"):
        assert said[1] == "plugin.so: 2 2"


@pytest.mark.parametrize("first, second", VERSIONS)
@pytest.mark.parametrize("order", list(itertools.permutations("ab")), ids="".join)
def test_two_plugins(shop, first, second, order):
    plugins = {"a": shop.plugin("a", shop.provider(1, first)),
               "b": shop.plugin("b", shop.provider(2, second))}
    words = [word for name in order for word in ("local", plugins[name])]
    said = shop.says(shop.program(), *words, *(word for name in "abab" for word in ("run", plugins[name])))
    assert said == ["a.so: 1 1", "b.so: 2 2"] * 2


def test_both_in_the_program(shop):
    said = shop.says(shop.program(shop.provider(1), shop.provider(2)), "call", "default", "next")
    assert said == ["own: 1 1", "default: 1", "next: 1"]


def test_versions_in_one_program(shop):
    one, two = shop.provider(1, "V1"), shop.provider(2, "V2")
    part = shop.plugin("libpart", two)
    said = shop.says(shop.program(one, part), "call", "local", part, "run", part)
    assert said == ["own: 1 1", "libpart.so: 2 2"]


def test_plugin_with_a_copy_of_its_own(shop):
    """Its own functions are visible: the program's come first, if it has any."""
    own = ("-DID=7", SOURCES / "provider.c")
    plugin = shop.plugin("plugin", extra=own)
    said = shop.says(shop.program(), "local", plugin, "run", plugin, "symbol", plugin)
    assert said == ["plugin.so: 7 7", "symbol: 7"]


def test_plugin_with_a_copy_of_its_own_in_a_program_with_one(shop):
    plugin = shop.plugin("plugin", extra=("-DID=7", SOURCES / "provider.c"))
    said = shop.says(shop.program(shop.provider(1)), "local", plugin, "run", plugin)
    assert said == ["plugin.so: 1 1"]


def test_program_with_a_copy_of_its_own(shop):
    """As node has: its functions are found before ours."""
    two = shop.provider(2)
    plugin = shop.plugin("plugin", two)
    program = shop.program("-rdynamic", extra=("-DID=9", SOURCES / "provider.c"))
    said = shop.says(program, "call", "local", plugin, "run", plugin, "default")
    assert said == ["own: 9 9", "plugin.so: 9 9", "default: 9"]


@pytest.mark.parametrize("first, second", VERSIONS)
def test_library_made_global(shop, first, second):
    one, two = shop.provider(1, first), shop.provider(2, second)
    plugin = shop.plugin("plugin", two)
    shop.says(shop.program(), "global", one, "local", plugin, "run", plugin, "default")


def test_deepbind(shop):
    plugin = shop.plugin("plugin", shop.provider(2))
    said = shop.says(shop.program(shop.provider(1)), "deep", plugin, "run", plugin)
    assert said == ["plugin.so: 2 2"]


def test_looked_up_in_many_libraries(shop):
    """Each by its handle; more of them than there are entries for one function."""
    libraries = [shop.provider(number) for number in range(1, 8)]
    words = [word for library in libraries for word in ("local", library)]
    words += [word for library in libraries * 2 for word in ("symbol", library, "same", library)]
    said = shop.says(shop.program(libraries[3]), "call", *words, "call")
    assert said[1:-1] == [line for number in [*range(1, 8)] * 2 for line in (f"symbol: {number}", "same: 1")]
    assert said[0] == said[-1] == "own: 4 4"


def test_looked_up_in_one_library_after_another(shop):
    """Whose entries are used again when they are unloaded."""
    libraries = [shop.provider(number) for number in range(1, 7)]
    words = []
    for library in libraries * 2:
        words += ["local", library, "symbol", library, "close", library]
    said = shop.says(shop.program(), *words)
    assert said == [f"symbol: {number}" for number in [*range(1, 7)] * 2]


def test_looked_up_in_other_namespaces(shop):
    """Which the loader does not list; more of them than there are entries for one function."""
    libraries = [shop.provider(number) for number in range(1, 7)]
    words = [word for library in libraries for word in ("apart", library)]
    words += [word for library in libraries * 2 for word in ("symbol", library)]
    said = shop.says(shop.program(), *words)
    assert said == [f"symbol: {number}" for number in [*range(1, 7)] * 2]


def test_looked_up_by_version(shop):
    one, two = shop.provider(1, "V1"), shop.provider(2, "V2")
    said = shop.says(shop.program(), "global", one, "local", two, "version", one, "V1", "version", two, "V2",
                     "version", two, "V1", "symbol", two)
    assert said == ["version: 1", "version: 2", "version: none", "symbol: 2"]


def test_looked_up_behind_a_plugin(shop):
    """RTLD_NEXT is behind who asks: a function that is wrapped once more, by a library."""
    source = shop.folder / "wraps.c"
    source.write_text("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        int SSL_shutdown(void* ssl) {
          int (*next)(void*) = (int (*)(void*))dlsym(RTLD_NEXT, "SSL_shutdown");
          return next == 0 ? -1 : 10 + next(ssl);
        }
        """)
    one = shop.provider(1)
    wraps = shop.compile(shop.folder / "libwraps.so", "-shared", source, "-Wl,-soname,libwraps.so", one,
                         f"-Wl,-rpath,{shop.folder}")
    assert shop.says(shop.program(wraps, one), "call") == ["own: 11 1"]
    plugin = shop.plugin("plugin", wraps, one)
    said = shop.says(shop.program(), "local", plugin, "run", plugin, "symbol", plugin)
    assert said == ["plugin.so: 11 1", "symbol: 11"]


@pytest.mark.parametrize("first, second", VERSIONS)
def test_deepbind_and_another_library(shop, first, second):
    """Two libraries that are bound to others than the program, and one that is not."""
    one, two, three = shop.provider(1, first), shop.provider(2, second), shop.provider(3)
    a, b = shop.plugin("a", two), shop.plugin("b", three)
    said = shop.says(shop.program(one), "deep", a, "run", a, "deep", b, "run", b, "run", a, "call", "local",
                     shop.plugin("c", one), "run", shop.folder / "c.so")
    assert said == ["a.so: 2 2", "b.so: 3 3", "a.so: 2 2", "own: 1 1", "c.so: 1 1"]


def test_one_library_after_another(shop):
    """Unloaded; another one is loaded, most likely at the same addresses."""
    a, b = shop.plugin("a", shop.provider(1)), shop.plugin("b", shop.provider(2))
    words = []
    for plugin in (a, b, a, a, b):
        words += ["local", plugin, "run", plugin, "close", plugin]
    said = shop.says(shop.program(), *words)
    assert said == ["a.so: 1 1", "b.so: 2 2", "a.so: 1 1", "a.so: 1 1", "b.so: 2 2"]


def test_without_a_direct_need(shop):
    """The plugin does not say what it needs: who loads it has loaded that before."""
    one = shop.provider(1)
    plugin = shop.plugin("plugin")
    said = shop.says(shop.program(), "global", one, "local", plugin, "run", plugin)
    assert said == ["plugin.so: 1 1"]


@pytest.mark.parametrize("first, second", VERSIONS)
def test_call_that_is_a_jump(shop, first, second):
    """The address that is returned to lies in the program, which has a library of its own."""
    plugin = shop.plugin("plugin", shop.provider(2, second), jump=True)
    shop.says(shop.program(shop.provider(1, first)), "call", "local", plugin, "run", plugin, "call")


@pytest.mark.parametrize("first, second", VERSIONS)
def test_calls_of_two_plugins_that_are_jumps(shop, first, second):
    a = shop.plugin("a", shop.provider(1, first), jump=True)
    b = shop.plugin("b", shop.provider(2, second), jump=True)
    said = shop.says(shop.program(), "local", a, "local", b, "run", a, "run", b)
    assert said == ["a.so: 1 1", "b.so: 2 2"]


def test_no_library_is_there(shop):
    """A program that asks by the functions that make a connection is told the truth."""
    source = shop.folder / "asks.c"
    source.write_text("""
        #include <dlfcn.h>
        #include <stdio.h>
        #define ASK(name) extern void name(void) __attribute__((weak)); \\
          static void ask_##name(void) { \\
            printf(#name " %d %d\\n", name != 0, dlsym(RTLD_DEFAULT, #name) != 0); }
        ASK(SSL_new) ASK(SSL_CTX_new) ASK(OPENSSL_init_ssl) ASK(SSL_library_init) ASK(SSL_set_fd)
        ASK(gnutls_init) ASK(gnutls_global_init) ASK(curl_easy_init) ASK(curl_global_init)
        ASK(curl_version) ASK(curl_multi_init) ASK(nghttp2_version) ASK(nghttp2_session_client_new)
        int main(void) {
          ask_SSL_new(); ask_SSL_CTX_new(); ask_OPENSSL_init_ssl(); ask_SSL_library_init();
          ask_SSL_set_fd(); ask_gnutls_init(); ask_gnutls_global_init(); ask_curl_easy_init();
          ask_curl_global_init(); ask_curl_version(); ask_curl_multi_init(); ask_nghttp2_version();
          ask_nghttp2_session_client_new();
          return 0;
        }
        """)
    program = shop.compile(shop.folder / "asks", source)
    said = shop.says(program)
    assert len(said) == 13 and all(line.endswith(" 0 0") for line in said)


def test_no_library_is_there_that_has_the_function(shop):
    """A program that looks for a function that we wrap is told the truth, too, and why."""
    source = shop.folder / "looks.c"
    source.write_text("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        static void look(const char* name) {
          void* handles[] = {RTLD_DEFAULT, RTLD_NEXT, dlopen(NULL, RTLD_NOW), dlopen("libm.so.6", RTLD_NOW)};
          for (int i = 0; i < 4; i++) {
            int found = dlsym(handles[i], name) != 0;
            int error = dlerror() != 0;
            int version = dlvsym(handles[i], name, "V") != 0;
            printf("%s %d %d %d %d\\n", name, found, error, version, dlerror() != 0);
          }
        }
        int main(void) {
          look("SSL_read"), look("BIO_new"), look("gnutls_handshake"), look("curl_easy_perform");
          look("nghttp2_submit_request");
          return 0;
        }
        """)
    said = shop.says(shop.compile(shop.folder / "looks", source))
    assert len(said) == 20 and all(line.endswith(" 0 1 0 1") for line in said)
