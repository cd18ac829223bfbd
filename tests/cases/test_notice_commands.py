"""Nobody notices: real commands write the same, end the same and have the same descriptors open, alone,
under telrun and with a bare LD_PRELOAD.

`fds` in them is a script that lists the descriptors of its own process: run by a command it shows what
that passes on to its children.
"""

import os
import shutil

import pytest
from ways import without_numbers

FDS = "#!/bin/sh\nexec ls -l --time-style=+ /proc/self/fd\n"

OWN_FDS_PYTHON = """
import os, subprocess, threading
print(sorted((int(fd), os.readlink(f"/proc/self/fd/{fd}")) for fd in os.listdir("/proc/self/fd")
             if os.path.lexists(f"/proc/self/fd/{fd}")))
subprocess.run(["fds"], close_fds=False, check=True)
thread = threading.Thread(target=lambda: print("thread", flush=True))
thread.start(); thread.join()
pid = os.fork()
if pid == 0:
    print("child", flush=True)
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
raise SystemExit(5)
"""

POOL = """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(abs, range(-5, 5)))
"""

GIT = """
set -e
git init -q -b main .
git config user.name A; git config user.email a@b
git config alias.fds '!fds'
export GIT_AUTHOR_DATE=@1700000000+0000 GIT_COMMITTER_DATE=@1700000000+0000
printf '#!/bin/sh\\nfds\\necho hook >&2\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit
echo one > file; git add file; git commit -qm one
git checkout -qb side; echo two >> file; git commit -qam two
git checkout -q main; git merge -q --no-edit side; git log -p --stat | cat
git fds; git gc -q; git fsck; git archive HEAD | tar tv
git nonsense
"""

MAKEFILE = """
all: a b c d
\t@cat a b c d; echo all-done
a b c d:
\t@fds < /dev/null > $@ 2>&1; echo $@ >> $@
fail: a
\t@exit 4
"""

C_SOURCE = """
#include <stdio.h>
int unused(int x) { int y; return x; }
int main(void) { fputs("error\\n", stderr); return puts("output") == 0 ? 1 : 6; }
"""

PERL = """
$| = 1;
opendir(D, "/proc/self/fd"); print join(" ", sort { $a <=> $b } grep /\\d/, readdir D), "\\n"; closedir D;
pipe(R, W); my $pid = fork();
if (!$pid) { close R; print W "from the child\\n"; close W; exit 7 }
close W; print <R>; waitpid $pid, 0; print $? >> 8, "\\n";
print `fds`; system "fds"; open(F, "|cat") or die; print F "piped\\n"; close F;
die "died\\n";
"""

BASH = """
echo "$0 $# $*" "$-"; fds; ls -l --time-style=+ /proc/$$/fd > own; cat own; (fds | cat)
diff <(seq 3) <(seq 2 4); coproc cat; echo hey >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
exec {fd}>file; fds; echo x >&$fd; cat file; sleep 0.01 & wait $!; echo $?
trap 'echo trapped' USR1 EXIT; kill -USR1 $$; set | grep -E '^(SHLVL|PPID_|BASH_ARGC|IFS)='
ulimit -a; umask; jobs; cat <<< here; (exit 9); echo $?; kill -TERM $BASHPID
"""

NODE = """
const { execFileSync, spawn } = require('child_process');
const { Worker } = require('worker_threads');
console.log(execFileSync('fds').toString().split('\\n').length);
const child = spawn('fds', { stdio: 'inherit' });
child.on('exit', (code, signal) => { console.log(code, signal);
  new Worker('console.log("worker")', { eval: true }).on('exit', (c) => process.exit(c + 11)); });
"""

JAVA = """
public class Hello {
  public static void main(String[] a) throws Exception {
    Thread t = new Thread(() -> System.out.println("thread")); t.start(); t.join();
    System.out.println(new ProcessBuilder("fds").inheritIO().start().waitFor());
    System.err.println("err"); System.exit(12);
  }
}
"""

# name: (command, files of the working directory)
COMMANDS = {
    "ls": (["ls", "-ld", "--time-style=+", "/etc", "/proc/self/fd/1", "/no/such"], {}),
    "fds": (["fds"], {}),
    "bash": (["bash", "-c", BASH, "name", "a", "b c"], {}),
    "dash": (["dash", "-c", "fds; echo a | { cat; fds; }; exec 5>f; fds; $0 -c 'exit 3'; echo $?; kill -9 $$",
              "dash"], {}),
    "python3": (["python3", "-c", OWN_FDS_PYTHON], {}),
    "python3 multiprocessing": (["python3", "pool.py"], {"pool.py": POOL}),
    "git": (["bash", "-c", GIT], {}),
    "gcc": (["sh", "-c", "gcc -Wall -O2 -o p p.c && ./p; echo $?; gcc -c missing.c; gcc -pipe -S -o - p.c"],
            {"p.c": C_SOURCE}),
    "clang": (["sh", "-c", "clang -Wall -O2 -o p p.c && ./p; echo $?; clang -c missing.c"],
              {"p.c": C_SOURCE}),
    "cmake": (["sh", "-c", "cmake -G Ninja -B b . | grep -v '(' && ninja -C b && b/p"],
              {"p.c": C_SOURCE, "CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\nproject(p C)\n"
                                                  "add_executable(p p.c)\n"}),
    "tar": (["sh", "-c", "tar czf a.tgz one two; tar tzf a.tgz; zcat a.tgz | tar x --to-command='cat; fds';"
             "tar cf - --checkpoint=1 --checkpoint-action=exec=fds one | wc -c; tar xf missing"],
            {"one": "1\n", "two": "2\n"}),
    "find, xargs": (["sh", "-c", "find . -type f -print0 | sort -z | xargs -0 -P2 -n1 sh -c 'fds > $1.fds' -;"
                     "cat *.fds; find . -name '*.c' -exec fds ';' -exec false '{}' + ; echo $?;"
                     "seq 5 | xargs -n2 sh -c 'echo $*; exit 255' -"], {"a.c": "", "b.h": ""}),
    "ssh": (["ssh", "-V"], {}),
    "ssh ProxyCommand": (["sh", "-c", "ssh -F none -oProxyCommand='sh ./proxy' -oBatchMode=yes no@where;"
                          "echo $?; cat out"], {"proxy": "fds > out; echo no SSH\n"}),
    "perl": (["perl", "-e", PERL], {}),
    "make": (["make", "-j2"], {"Makefile": MAKEFILE}),
    "make that fails": (["make", "-j2", "-k", "fail", "nothing"], {"Makefile": MAKEFILE}),
    "node": (["node", "-e", NODE], {}),
    "java": (["java", "Hello.java"], {"Hello.java": JAVA}),
    "sqlite3": (["sqlite3", ":memory:", "create table t(x); insert into t values(1); select * from t;",
                 ".system fds", "select nonsense;"], {}),
    "lua": (["lua", "-e", "print(io.popen('fds'):read('a')) print(os.execute('exit 3')) error('x')"], {}),
    "openssl": (["sh", "-c", "openssl enc -aes-256-cbc -pbkdf2 -k x -S 0001020304050607 < f | od -c;"
                 "openssl nonsense"], {"f": "text\n"}),
    # How long it tried differs.
    "curl": (["sh", "-c", "curl -sS file:///etc/hostname http://127.0.0.1:9/ 2>errors; status=$?;"
              " sed 's/after [0-9]* ms//' errors >&2; exit $status"], {}),
    "stdbuf": (["stdbuf", "-o0", "sh", "-c", "echo $_STDBUF_O; fds"], {}),
    "timeout": (["timeout", "-s", "KILL", "0.5", "sleep", "60"], {}),
    "nohup, nice, setsid": (["nohup", "nice", "-n", "5", "setsid", "-w", "sh", "-c", "nice; fds; exit 8"],
                            {}),
    "script": (["script", "-qec", "tty | tr -d 0-9; fds | tr -d 0-9; exit 5", "/dev/null"], {}),
    "dd": (["sh", "-c", "dd if=/dev/zero bs=1k count=9 status=none |"
            " dd of=f bs=2k iflag=fullblock status=noxfer; exit $?"],
           {}),
    "gdb": (["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "run", "-ex", "info program",
             "--args", "/bin/sh", "-c", "fds; exit 3"], {}),
    "strace": (["strace", "-f", "-o", "/dev/null", "sh", "-c", "fds; (exit 2)"], {}),
    "setarch": (["setarch", "-R", "sh", "-c", "cat /proc/self/personality"], {}),
    "su": (["su", "-s", "/bin/sh", "nobody", "-c", "id; fds; exit 4"], {}),
    "setpriv": (["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", "id; fds"], {}),
    "vim": (["vim", "-Nesu", "NONE", "-c", "%s/a/b/", "-c", "w!", "-c", "!fds", "-c", "%p", "-c", "cq 6",
             "f"], {"f": "aaa\n"}),
}

# The status, and what must be in its output: that it did what it is here for.
EXPECTED = {
    "ls": (2, "cannot access"), "fds": (0, "0 -> /dev/null"), "bash": (-15, "trapped"), "dash": (-9, "pipe"),
    "python3": (5, "thread\nchild\n3"), "python3 multiprocessing": (0, "[5, 4, 3"), "git": (1, "hook"),
    "gcc": (0, "unused:"), "clang": (1, "output\n6"), "cmake": (6, "Linking"), "tar": (2, "pipe:"),
    "find, xargs": (124, "a.c.fds"), "ssh": (0, "OpenSSH"), "ssh ProxyCommand": (0, "255\ntotal"),
    "perl": (29, "from the child\n7"), "make": (0, "all-done"), "make that fails": (2, "Error 4"),
    "node": (11, "0 null\nworker"), "java": (12, "thread\ntotal"), "sqlite3": (1, "nonsense"),
    "lua": (1, "exit\t3"), "openssl": (1, "Invalid command"), "curl": (7, "onnect"), "stdbuf": (0, "pipe:"),
    "timeout": (-9, ""), "nohup, nice, setsid": (8, "pipe:"), "script": (5, "/dev/pts/"), "dd": (0, "4+1"),
    "gdb": (0, "exited with code 03"), "strace": (2, "pipe:"), "setarch": (0, "00040000"),
    "su": (4, "uid=65534"), "setpriv": (0, "uid=65534"), "vim": (6, "baa"),
}
NEEDS_ROOT = {"su", "setpriv"}


@pytest.fixture
def tools(ways, tmp_path):
    """A place in front of PATH with `fds`."""
    place = tmp_path / "tools"
    place.mkdir()
    (place / "fds").write_text(FDS)
    (place / "fds").chmod(0o755)
    ways.environment["PATH"] = f"{place}:{ways.environment['PATH']}"
    ways.environment["HOME"] = str(tmp_path)
    ways.environment["LC_ALL"] = "C.UTF-8"
    for name in tmp_path.parents:
        if os.geteuid() == 0 and name != name.parent and not name.stat().st_mode & 1:
            name.chmod(name.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    return place


@pytest.mark.parametrize("name", COMMANDS)
def test_command(ways, tools, name):
    command, files = COMMANDS[name]
    if shutil.which(command[0], path=ways.environment["PATH"]) is None:
        pytest.skip(f"no {command[0]} here")
    if name == "ssh ProxyCommand" and shutil.which("ssh") is None:
        pytest.skip("no ssh here")
    if name in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip("needs root")

    def prepare(work):
        for file, text in files.items():
            (work / file).write_text(text)

    if command[0] == "fds":
        command = [tools / "fds"]
    outcome = ways.same(command, clean=without_numbers, prepare=prepare)
    status, words = EXPECTED[name]
    assert outcome.status == status and words in (outcome.out + outcome.err).decode(), outcome
