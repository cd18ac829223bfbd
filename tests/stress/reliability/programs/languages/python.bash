# python
# needs: /usr/bin/python3
/usr/bin/python3 - <<'E'
import os, subprocess, threading, signal, sys, tempfile, sqlite3, zlib, hashlib, json
print(sorted((int(fd), os.readlink(f"/proc/self/fd/{fd}").split(":")[0]) for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}") and int(fd) > 2))
out = []; ts = [threading.Thread(target=lambda n=n: out.append(hashlib.sha256(bytes(n)).hexdigest()[:6])) for n in range(20)]
[t.start() for t in ts]; [t.join() for t in ts]; print(sorted(out)[:3]); print(subprocess.run(["sh", "-c", "echo sub; exit 4"], capture_output=True))
pid = os.fork()
if pid == 0: os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); print(json.dumps({"z": zlib.crc32(b"x" * 10**6)}))
signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()
c = sqlite3.connect(":memory:"); c.execute("create table t(x)"); c.executemany("insert into t values(?)", ((i,) for i in range(1000))); print(c.execute("select sum(x) from t").fetchone())
sys.stdout.flush(); os.kill(os.getpid(), signal.SIGSEGV)
E
echo $?
