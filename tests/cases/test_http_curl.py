"""libcurl: every request carries one traceparent, of an id of its own, and is as it was else."""

import re

import pytest
from http_clients import TRACEPARENT, clients  # noqa: F401
from traced import wait_until_all_is_written

OWN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CURL = ("curl", "-q", "-sS")

# What a program may do with handles; argv: the URL of the server.
EASY = r"""
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static char url[256];
static const char* server;

static const char* to(const char* path) {
  snprintf(url, sizeof url, "%s%s", server, path);
  return url;
}

static size_t sink(char* data, size_t size, size_t count, void* user) {
  (void)data, (void)user;
  return size * count;
}

static void get(CURL* handle, const char* path) {
  long code = 0;
  curl_easy_setopt(handle, CURLOPT_URL, to(path));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, sink);
  CURLcode result = curl_easy_perform(handle);
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
  printf("%s %d %ld\n", path, result, code);
}

// Another transfer, and another list, from within a callback.
static size_t nested(char* data, size_t size, size_t count, void* user) {
  (void)data;
  CURL* other = curl_easy_init();
  get(other, "/12-nested");
  curl_easy_cleanup(other);
  curl_easy_setopt(user, CURLOPT_HTTPHEADER, NULL);
  return size * count;
}

int main(int count, char** words) {
  (void)count;
  server = words[1];
  struct curl_slist* list = curl_slist_append(NULL, "X-One: 1");
  list = curl_slist_append(list, "X-Two: 2");
  struct curl_slist* own = curl_slist_append(NULL, "TraceParent: 00-0af7651916cd43dd8448eb211c80319c-"
                                                   "b7ad6b7169203331-01");
  CURL* handle = curl_easy_init();
  get(handle, "/01-nothing-set");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list);
  get(handle, "/02-list");
  get(handle, "/03-list-again");
  list = curl_slist_append(list, "X-Three: 3");
  get(handle, "/04-list-grown");
  CURL* copy = curl_easy_duphandle(handle);
  get(copy, "/05-copy");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, NULL);
  get(handle, "/06-no-list");
  get(copy, "/07-copy-keeps-it");
  curl_easy_setopt(copy, CURLOPT_HTTPHEADER, own);
  get(copy, "/08-own");
  curl_easy_reset(copy);
  get(copy, "/09-reset");
  curl_easy_cleanup(copy);
  for (int i = 0; i < 50; i++) {  // the same addresses, again and again
    CURL* again = curl_easy_init();
    if (i % 2 == 0) curl_easy_setopt(again, CURLOPT_HTTPHEADER, list);
    if (i >= 48) get(again, i % 2 == 0 ? "/10-new-with" : "/11-new-without");
    curl_easy_cleanup(again);
  }
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(handle, CURLOPT_URL, to("/13-nesting"));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, nested);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, handle);
  printf("%d\n", curl_easy_perform(handle));
  get(handle, "/14-set-by-a-callback");
  curl_easy_cleanup(handle);

  // The multi interface: done, removed before it is done, left behind.
  CURLM* multi = curl_multi_init();
  CURL* several[4];
  const char* paths[4] = {"/15-multi", "/16-multi", "/17-multi", "/18-multi"};
  for (int i = 0; i < 4; i++) {
    several[i] = curl_easy_init();
    curl_easy_setopt(several[i], CURLOPT_URL, to(paths[i]));
    curl_easy_setopt(several[i], CURLOPT_WRITEFUNCTION, sink);
    curl_easy_setopt(several[i], CURLOPT_HTTPHEADER, i % 2 == 0 ? list : NULL);
    curl_multi_add_handle(multi, several[i]);
  }
  printf("added twice: %d\n", curl_multi_add_handle(multi, several[0]));
  printf("performed meanwhile: %d\n", curl_easy_perform(several[0]));
  for (int running = 1; running != 0;) {
    curl_multi_perform(multi, &running);
    curl_multi_poll(multi, NULL, 0, 100, NULL);
  }
  int done = 0, left;
  for (CURLMsg* message; (message = curl_multi_info_read(multi, &left)) != NULL; done++) {
    if (message->data.result != 0) printf("%s\n", curl_easy_strerror(message->data.result));
  }
  printf("done %d\n", done);
  curl_multi_remove_handle(multi, several[0]);
  curl_multi_add_handle(multi, several[0]);  // and never driven
  curl_multi_remove_handle(multi, several[1]);
  get(several[1], "/19-easy-after-multi");
  curl_multi_cleanup(multi);
  get(several[0], "/20-easy-after-all");
  for (int i = 0; i < 4; i++) curl_easy_cleanup(several[i]);
  printf("null: %d %d\n", curl_easy_perform(NULL), curl_easy_setopt(NULL, CURLOPT_HTTPHEADER, list));
  curl_easy_cleanup(NULL);
  curl_slist_free_all(list);
  curl_slist_free_all(own);
  return 0;
}
"""


def ids(requests):
    return [value for request in requests for value in request.values("traceparent")]


def without_times(text):
    return re.sub(rb"after \d+ ms", b"after N ms", text)


def check_ids(requests, traces=None):
    """Well-formed, each id once; of one trace, or of as many as there are requests."""
    found = ids(requests)
    assert all(re.fullmatch(TRACEPARENT, value) for value in found)
    assert len({value.split("-")[2] for value in found}) == len(found)
    if traces is not None:
        assert len({value.split("-")[1] for value in found}) == traces


def test_curl_gets(clients):
    for requests in clients.same([*CURL, clients.secure.url("/a?b=c")]):
        check_ids(requests, traces=1)


@pytest.mark.parametrize("options", [("-H", "X-A: b", "-H", "User-Agent;"), ("-I",), ("-d", "a=b"),
                                     ("-X", "DELETE"), ("-u", "me:secret"), ("--compressed",)],
                         ids=lambda options: options[0] + options[-1])
def test_curl_options(clients, options):
    for requests in clients.same([*CURL, *options, clients.secure.url("/a")]):
        check_ids(requests, traces=1)


def test_upload_with_100_continue(clients, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(bytes(range(256)) * 8192)
    for requests in clients.same([*CURL, "-T", body, clients.secure.url("/put")]):
        assert len(requests) == 1 and len(requests[0].body) == 2 << 20


@pytest.mark.parametrize("server", ["plain", "secure"])
def test_redirects(clients, server):
    """Each hop is a request of its own, all of one trace."""
    server = getattr(clients, server)
    for requests in clients.same([*CURL, "-L", server.url("/redirect/4")], server):
        assert len(requests) == 5
        check_ids(requests, traces=1)


def test_more_redirects_than_ids(clients):
    """A transfer has 32 ids; the requests behind them go out without."""
    command = [*CURL, "-L", clients.secure.url("/redirect/40")]
    alone, expected = clients.requests(command, clients.secure, "alone")
    outcome, requests = clients.requests(command, clients.secure, "preload")
    assert outcome == alone
    assert len(requests) == len(expected) == 41
    check_ids(requests, traces=1)
    assert len(ids(requests)) == 32


def test_own_traceparent(clients):
    for header in (f"traceparent: {OWN}", f"TraceParent:{OWN}"):
        for requests in clients.same([*CURL, "-H", header, clients.secure.url("/a")], traceparents=0):
            assert ids(requests) == [OWN]


def test_traceparent_taken_out(clients):
    """`-H traceparent:` says that there is to be none."""
    for requests in clients.same([*CURL, "-H", "traceparent:", clients.secure.url("/a")], traceparents=0):
        assert ids(requests) == []


def test_parallel(clients):
    urls = [clients.secure.url(f"/{i}") for i in range(9)]
    for requests in clients.same([*CURL, "-Z", *urls], clean=lambda text: b""):
        assert len(requests) == 9
        check_ids(requests, traces=9)


def test_reused_connection(clients):
    urls = [clients.secure.url(f"/{i}") for i in range(5)]
    for requests in clients.same([*CURL, *urls]):
        check_ids(requests, traces=5)


@pytest.mark.parametrize("url", ["http://localhost:1/", "https://no.such.host.invalid/", "nothing://x/", "",
                                 "file:///etc/hostname", "ftp://localhost:1/"])
def test_no_request_at_all(clients, url):
    alone, _ = clients.requests([*CURL, url], clients.secure, "alone")
    for way in ("telrun", "preload"):
        outcome, _ = clients.requests([*CURL, url], clients.secure, way)
        assert (outcome.status, without_times(outcome.err)) == (alone.status, without_times(alone.err))
        assert outcome.out == alone.out
    wait_until_all_is_written(clients.ways.trace)


def test_wrong_certificate(clients):
    command = [*CURL, "--cacert", "/etc/hostname", clients.secure.url("/a")]
    alone, _ = clients.requests(command, clients.secure, "alone")
    assert alone.status != 0
    assert clients.requests(command, clients.secure, "preload")[0] == alone


def test_switched_off(clients):
    command = [*CURL, clients.secure.url("/a")]
    alone, expected = clients.requests(command, clients.secure, "alone")
    for name in ("DEBUG", "TELEMETRY_HTTP"):
        clients.environment[name] = "false"
        for way in ("telrun", "preload"):
            outcome, requests = clients.requests(command, clients.secure, way)
            assert (outcome, requests) == (alone, expected)
        del clients.environment[name]


def test_not_sampled(clients):
    """The flag says so; there is an id all the same."""
    clients.environment["SAMPLE_RATE"] = "0.000000001"
    for requests in clients.same([*CURL, "-L", clients.secure.url("/redirect/2")]):
        assert all(value.endswith("-00") for value in ids(requests))
        assert len({value.split("-")[1] for value in ids(requests)}) == 1


@pytest.mark.parametrize("flavour", ["libcurl.so.4", "libcurl-gnutls.so.4"])
def test_handles(clients, tmp_path, flavour):
    """Lists set, unset and grown, copies, resets, nesting, multi: what the application set goes out."""
    from teltest.run import build
    source = tmp_path / "handles.c"
    source.write_text(EASY)
    program = build("handles", [source], "gcc", ("-O2",), (f"-l:{flavour}",), instrument=False)
    clients.environment["SSL_CERT_FILE"] = str(clients.certificate)
    server = clients.plain
    command = [program, server.url("").replace("localhost", "127.0.0.1")]  # no threads that resolve names
    alone, expected = clients.requests(command, server, "alone")
    assert alone.status == 0 and len(expected) == 20, [request.line for request in expected]
    for way in ("telrun", "preload"):
        outcome, requests = clients.requests(command, server, way)
        assert outcome == alone
        assert [request.line for request in requests] == [request.line for request in expected]
        for request, other in zip(requests, expected):
            mine = [field for field in request.fields if field[0] != "traceparent"]
            assert mine == [field for field in other.fields if field[0] != "traceparent"]
            assert len(request.values("traceparent")) == 1, request.head
            assert ("08-own" in request.line) == (request.values("traceparent") == [OWN])


@pytest.mark.parametrize("preload", [True, False])
def test_both_flavours_in_one_process(clients, tmp_path, preload):
    """Two libraries of two flavours, each loaded for itself: each call reaches its own libcurl."""
    from teltest.run import build
    plugin = tmp_path / "plugin.c"
    plugin.write_text("""
        #include <curl/curl.h>
        #include <stdio.h>
        int run(const char* url, const char* ca) {
          CURL* handle = curl_easy_init();
          struct curl_slist* list = curl_slist_append(NULL, FLAVOUR);
          curl_easy_setopt(handle, CURLOPT_URL, url);
          curl_easy_setopt(handle, CURLOPT_CAINFO, ca);
          curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list);
          int result = curl_easy_perform(handle);
          curl_easy_cleanup(handle);
          curl_slist_free_all(list);
          puts(curl_version());
          return result;
        }
        """)
    main = tmp_path / "both.c"
    main.write_text("""
        #include <dlfcn.h>
        #include <stdio.h>
        int main(int count, char** words) {
          for (int i = 0; i < 4; i++) {
            int (*run)(const char*, const char*) = dlsym(dlopen(words[1 + i % 2], RTLD_NOW), "run");
            printf("%d\\n", run(words[3], words[4]));
          }
          return count != 5;
        }
        """)
    plugins = [build(f"{name}.so", [plugin], "gcc", ("-O2", "-fPIC", f'-DFLAVOUR="X-Flavour: {name}"'),
                     ("-shared", f"-l:{name}.so.4"), instrument=False)
               for name in ("libcurl", "libcurl-gnutls")]
    program = build("both", [main], "gcc", ("-O2",), ("-ldl",), instrument=False)
    command = [program, *plugins[:: 1 if preload else -1], clients.secure.url("/f"), clients.certificate]
    for requests in clients.same(command):
        assert len(requests) == 4
        check_ids(requests)
