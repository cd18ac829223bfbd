"""Rows of programs in Rust: reqwest with rustls, and cargo itself, whose TLS is linked statically."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from functools import cache

from teltest.run import build_directory
from teltest.web.client_catalog import simple
from teltest.web.library_catalog import APPS


@cache
def rust(name):
    """cargo or rustc itself: what PATH has may be a program that chooses one by the user's home."""
    found = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True)
    return f"{found.stdout.strip()}/bin/{name}"


@cache
def use_reqwest():
    """Built once; its packages come from cargo's registry."""
    target = build_directory() / "cargo"
    environment = os.environ | {"CARGO_TARGET_DIR": str(target), "RUSTC": rust("rustc")}
    subprocess.run([rust("cargo"), "build", "--quiet", "--locked"], check=True, env=environment,
                   cwd=APPS / "clients/use_reqwest")
    return str(target / "debug/use_reqwest")


simple("reqwest", "hyper, sockets", lambda base, site: [use_reqwest(), base], 3, injects=0)
simple("reqwest https", "opaque TLS (rustls)",
       lambda base, site: [use_reqwest(), base, str(site.authority.ca)], 0, "tls", injects=0, logged=3,
       opaque=True)


def package():
    """A package without content, as cargo's registries have them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (("Cargo.toml", '[package]\nname = "leaf"\nversion = "1.0.0"\nedition = "2021"\n'),
                           ("src/lib.rs", "")):
            member = tarfile.TarInfo(f"leaf-1.0.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def _fetch(base, site):
    """A project that needs the package, and a registry that has it, behind `base`."""
    packed = package()
    entry = {"name": "leaf", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
             "cksum": hashlib.sha256(packed).hexdigest()}
    files = {site.nginx.root / "index/config.json":
             json.dumps({"dl": f"{base}/packages/{{crate}}-{{version}}.crate"}).encode(),
             site.nginx.root / "index/le/af/leaf": json.dumps(entry).encode() + b"\n",
             site.nginx.root / "packages/leaf-1.0.0.crate": packed}
    project = site.place.folder / "cargo"
    files |= {project / "Cargo.toml": b'[package]\nname = "root"\nversion = "1.0.0"\nedition = "2021"\n'
                                      b'[dependencies]\nleaf = "1"\n',
              project / "src/lib.rs": b"",
              project / "home/config.toml": f"""
[source.crates-io]
replace-with = "here"
[source.here]
registry = "sparse+{base}/index/"
[http]
cainfo = "{site.authority.ca}"
[net]
retry = 0
""".encode()}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return ["env", f"CARGO_HOME={project}/home", f"RUSTC={rust('rustc')}", rust("cargo"), "fetch", "--quiet",
            "--manifest-path", str(project / "Cargo.toml")]


def _nothing_fetched(site):
    def clean():
        for name in ("home/registry", "Cargo.lock", "home/.package-cache"):
            path = site.place.folder / "cargo" / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return clean


def _fetched(site):
    def contents():
        found = (site.place.folder / "cargo/home/registry").rglob("*.crate")
        return [(path.name, path.read_bytes()) for path in found]
    return contents


simple("cargo fetch", "static libcurl, sockets", _fetch, 3, injects=0, before=_nothing_fetched,
       after=_fetched)
simple("cargo fetch https", "opaque TLS (static)", _fetch, 0, "tls", injects=0, logged=3, opaque=True,
       before=_nothing_fetched, after=_fetched)
