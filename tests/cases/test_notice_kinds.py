"""Tracing goes unnoticed by programs of other kinds: static, without a section table, in other languages."""

import os
import shutil
import subprocess

import pytest
from noticed import CALLS
from teltest.run import APPS
from ways import WAYS, without_numbers

KINDS = {
    # name: (compiler, flags, runs with the library)
    "static": ("gcc", ["-static"]),
    "static-pie": ("gcc", ["-static-pie"]),
    "musl": ("musl-gcc", ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]),
    "musl static": ("musl-gcc", ["-static", "-idirafter", "/usr/include", "-idirafter",
                                 "/usr/include/x86_64-linux-gnu"]),
    "i386": ("gcc", ["-m32"]),
    "asan gcc": ("gcc", ["-fsanitize=address"]),
    "asan gcc static": ("gcc", ["-fsanitize=address", "-static-libasan"]),
    "asan clang": ("clang", ["-fsanitize=address"]),
    "ubsan": ("gcc", ["-fsanitize=undefined"]),
    "tsan gcc": ("gcc", ["-fsanitize=thread"]),
    "tsan clang": ("clang", ["-fsanitize=thread"]),
    "hardened": ("gcc", ["-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all", "-Wl,-z,now",
                         "-fcf-protection"]),
    "not PIE": ("gcc", ["-no-pie"]),
}


# Not instrumented ones for musl: it has no empty hooks, so that they do not link without ours.
@pytest.mark.parametrize(("kind", "instrument"), [
    pytest.param(kind, instrument, id=f"{'instrumented' if instrument else 'plain'}-{kind}")
    for kind in KINDS for instrument in (False, True) if not (instrument and "musl" in kind)])
def test_kind_of_program(ways, tmp_path, kind, instrument):
    compiler, flags = KINDS[kind]
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    program = tmp_path / "program"
    hooked = ["-finstrument-functions"] if instrument else []
    made = subprocess.run([compiler, "-g", "-pthread", *hooked, *flags, "-o", program, APPS / "notice.c"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"{kind}: cannot be built here: {made.stderr.splitlines()[:1]}")
    steps = f"fds calls {CALLS} thread fork fds exec {program} fds calls {CALLS} status 6".split()
    # i386's loader itself complains about a preload of another class that it is handed directly.
    first = ways.same(["sh", "-c", '"$@"; echo $?', "-", program, *steps], clean=without_numbers)
    assert first.out.endswith(b"\n6\n") and first.out.count(b"sum 500500") == 2
    # What a loader or gcc's shared ASan says to a preload that it is handed directly is theirs to say;
    # for ASan there is an option.
    direct = ("alone", "telrun") if kind == "i386" else WAYS
    changes = {"ASAN_OPTIONS": "verify_asan_link_order=0"} if kind == "asan gcc" else None
    assert ways.same([program, *steps], changes, clean=without_numbers, ways=direct).status == 6


@pytest.mark.long
@pytest.mark.parametrize("language", ["go", "go with cgo", "rust"])
def test_other_languages(ways, tmp_path, language):
    tool = {"rust": "rustc"}.get(language, "go")
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool}")
    program = tmp_path / "program"
    if tool == "go":
        (tmp_path / "main.go").write_text(GO.replace("//CGO", 'import "C"' if "cgo" in language else ""))
        environment = os.environ | {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "off",
                                    "CGO_ENABLED": str(int("cgo" in language))}
        command = ["go", "build", "-o", program, "main.go"]
    else:
        (tmp_path / "main.rs").write_text(RUST)
        environment = os.environ
        command = ["rustc", "-o", program, "main.rs"]
    made = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"{language}: cannot be built here: {made.stderr[:200]}")
    outcome = ways.same([program], clean=without_numbers)
    assert outcome.status == 5 and b"child 3" in outcome.out and outcome.err == b"end\n", outcome


GO = """
package main
//CGO
import ("fmt"; "os"; "os/exec"; "sync")
func main() {
  var group sync.WaitGroup
  for i := 0; i < 50; i++ { group.Add(1); go func() { defer group.Done() }() }
  group.Wait()
  command := exec.Command("sh", "-c", "ls -l --time-style=+ /proc/self/fd; exit 3")
  out, _ := command.Output()
  fmt.Print(string(out))
  fmt.Println("child", command.ProcessState.ExitCode())
  fmt.Fprintln(os.Stderr, "end")
  os.Exit(5)
}
"""

RUST = """
use std::process::Command;
fn main() {
    let threads: Vec<_> = (0..20).map(|i| std::thread::spawn(move || i * 2)).collect();
    println!("{}", threads.into_iter().map(|t| t.join().unwrap()).sum::<i32>());
    let out = Command::new("sh").args(["-c", "ls -l --time-style=+ /proc/self/fd; exit 3"]).output().unwrap();
    print!("{}", String::from_utf8_lossy(&out.stdout));
    println!("child {}", out.status.code().unwrap());
    let caught = std::panic::catch_unwind(|| { std::panic::resume_unwind(Box::new(1)) });
    println!("{}", caught.is_err());
    eprintln!("end");
    std::process::exit(5);
}
"""
