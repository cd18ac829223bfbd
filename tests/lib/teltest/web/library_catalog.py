"""Rows of programs that use HTTP libraries and runtimes: small clients and servers of ours, one a library.

Their sources are in tests/apps/http/clients and servers.
"""

import subprocess
from functools import cache
from pathlib import Path

from teltest.run import build
from teltest.web.client_catalog import simple
from teltest.web.server_catalog import (MIXED, MIXED_REMOTE, common_log, mixed, process_row, server,
                                        words_log)
from teltest.web.server_rows import server_and_client_are_one_trace

APPS = Path(__file__).resolve().parents[3] / "apps/http"
OPENSSL = ("-lssl", "-lcrypto")


@cache
def _flags(kind, *packages):
    return tuple(subprocess.run(["pkg-config", f"--{kind}", *packages], check=True, capture_output=True,
                                text=True).stdout.split())


@cache
def program(source, *libraries, packages=(), flags=()):
    flags = ("-O1", *flags, *(_flags("cflags", *packages) if packages else ()))
    libraries = (*libraries, *(_flags("libs", *packages) if packages else ()))
    return str(build(Path(source).stem, [APPS / source], "gcc", flags, libraries, instrument=False))


def client(name, layer, make, expected, plain=True, tls=None, **options):
    """Rows of a client whose words are the program's, the base URL and whom to trust. `tls`: the layer there;
    with "h2" among the options, a row against a server with HTTP/2, too."""
    http2 = options.pop("h2", None)
    if plain:
        simple(name, f"{layer}, sockets", lambda base, site: [*make(), base], expected, **options)
    if tls:
        simple(f"{name} https", f"{layer}, {tls}",
               lambda base, site: [*make(), base, str(site.authority.ca)], expected, "tls", **options)
    if http2:
        simple(f"{name} h2", f"{layer}, {http2}",
               lambda base, site: [*make(), base, str(site.authority.ca), "h2"], expected, "h2", version="2",
               **options)


client("Boost.Beast", "Boost.Asio", lambda: [program("clients/use_beast.cpp", "-pthread")], 4, injects=0)
client("cpp-httplib", "cpp-httplib",
       lambda: [program("clients/use_httplib.cpp", "-lcpp-httplib", *OPENSSL, "-pthread")], 4, tls="OpenSSL",
       injects=0)
client("POCO", "POCO", lambda: [program("clients/use_poco.cpp", "-lPocoNetSSL", "-lPocoCrypto", "-lPocoNet",
                                        "-lPocoFoundation", *OPENSSL)], 3, tls="OpenSSL", injects=0)
client("cpprestsdk", "cpprestsdk, Boost.Asio",
       lambda: [program("clients/use_cpprest.cpp", "-lcpprest", "-lboost_system", *OPENSSL, "-pthread")], 4,
       tls="OpenSSL", injects=0)
client("Qt 6", "Qt", lambda: [program("clients/use_qt.cpp", packages=("Qt6Network", "Qt6Core"),
                                      flags=("-fPIC",))], 3, tls="OpenSSL (by dlsym)",
       h2="OpenSSL (by dlsym)", injects=0)
client("libsoup", "libsoup", lambda: [program("clients/use_soup.c", packages=("libsoup-3.0",))], 3,
       tls="GnuTLS (by a module of GIO's)", injects=0)
client("OpenSSL's BIO", "OpenSSL", lambda: [program("clients/use_bio.c", *OPENSSL)], 4, plain=False,
       tls="BIO_f_ssl", injects=0)
client("PHP curl", "libcurl (RTLD_DEEPBIND)", lambda: ["php", str(APPS / "clients/use_curl.php")], 3,
       tls="OpenSSL", h2="nghttp2, OpenSSL", injects=3)
client("PHP streams", "PHP", lambda: ["php", str(APPS / "clients/use_streams.php")], 3, tls="OpenSSL",
       injects=0)
client("Ruby Net::HTTP", "Ruby", lambda: ["ruby", str(APPS / "clients/use_net_http.rb")], 4, tls="OpenSSL",
       injects=0)
client("Perl LWP", "Perl", lambda: ["perl", str(APPS / "clients/use_lwp.pl")], 3, injects=0)
simple("Perl LWP https", "Perl, OpenSSL",
       lambda base, site: ["env", f"PERL_LWP_SSL_CA_FILE={site.authority.ca}", "perl",
                           str(APPS / "clients/use_lwp.pl"), base], 3, "tls", injects=0)

# What is asked is no repository, and the server says so: one exchange.
SVN = ("svn", "ls", "--non-interactive", "--trust-server-cert-failures=unknown-ca,cn-mismatch")
simple("svn ls", "serf, sockets", lambda base, site: [*SVN, base], 1, injects=0)
simple("svn ls https", "serf, OpenSSL", lambda base, site: [*SVN, base], 1, "tls", injects=0)


def own_server(name, layer, make):
    """A server of ours that logs "METHOD PATH STATUS" as it serves."""
    @server(name)
    def _(site, name):
        return process_row(site, name, layer, lambda folder, port: [make(), str(port)],
                           lambda folder: words_log(folder / "output.log"), remote=MIXED_REMOTE)


own_server("libmicrohttpd", "sockets", lambda: program("servers/serve_microhttpd.c", "-lmicrohttpd"))
own_server("cpp-httplib server", "sockets",
           lambda: program("servers/serve_httplib.cpp", "-lcpp-httplib", *OPENSSL, "-pthread"))
own_server("POCO server", "sockets", lambda: program("servers/serve_poco.cpp", "-lPocoNet",
                                                     "-lPocoFoundation"))


@server("libmicrohttpd https")
def microhttpd_tls(site, name):
    return process_row(site, name, "GnuTLS", lambda folder, port: [
        program("servers/serve_microhttpd.c", "-lmicrohttpd"), str(port), str(site.authority.certificate),
        str(site.authority.key)], lambda folder: words_log(folder / "output.log"), remote=MIXED_REMOTE,
                       tap=False, load=lambda base: mixed(base.replace("http:", "https:")))


@server("gunicorn")
def gunicorn(site, name):
    return process_row(site, name, "sockets (workers)", lambda folder, port: [
        "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--access-logfile", "-", "--chdir",
        str(APPS / "servers"), "serve_wsgi:application"], lambda folder: common_log(folder / "output.log"),
                       remote=MIXED_REMOTE)


@server("uWSGI")
def uwsgi(site, name):
    # It closes connections without saying so: whether curl tries to use one again is a matter of time.
    return process_row(site, name, "sockets (workers)", lambda folder, port: [
        "uwsgi", "--plugin", "python3", "--http-socket", f"127.0.0.1:{port}", "--wsgi-file",
        str(APPS / "servers/serve_wsgi.py"), "--master", "--processes", "2", "--die-on-term",
        "--log-format", "%(method) %(uri) %(status)"], lambda folder: words_log(folder / "output.log"),
                       remote=MIXED_REMOTE, tap=False)


@server("stunnel")
def stunnel(site, name):
    """TLS in front of the nginx that is not traced: a server and a client span each."""
    def command(folder, port):
        (folder / "stunnel.conf").write_text(f"""
foreground = yes
pid =
[https]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{site.nginx.plain}
cert = {site.authority.certificate}
key = {site.authority.key}
""")
        site.nginx.entries()
        return ["stunnel4", str(folder / "stunnel.conf")]

    def log(folder):
        return [(entry["request_method"], entry["request_uri"], int(entry["status"]))
                for entry in site.nginx.settled(MIXED)]
    return process_row(site, name, "OpenSSL, sockets", command, log, clients=MIXED, remote=MIXED_REMOTE,
                       tap=False, load=lambda base: mixed(base.replace("http:", "https:")),
                       check=server_and_client_are_one_trace)
