# python multiprocessing
# needs: /usr/bin/python3
cat >p.py <<'E'
import asyncio, multiprocessing as mp, concurrent.futures as cf, sys
def f(x): return x * x
async def main():
    p = await asyncio.create_subprocess_exec("sh", "-c", "cat; exit 2", stdin=-1, stdout=-1); print(await p.communicate(b"in"), p.returncode)
    print(await asyncio.gather(*(asyncio.sleep(0.01, n) for n in range(5))))
if __name__ == "__main__":
    for how in ("fork", "spawn", "forkserver"):
        with mp.get_context(how).Pool(2) as pool: print(how, pool.map(f, range(5)))
    with cf.ProcessPoolExecutor(2) as pool: print(list(pool.map(f, range(3))))
    asyncio.run(main()); from multiprocessing import shared_memory as s; m = s.SharedMemory(create=True, size=99); m.close(); m.unlink(); sys.exit(5)
E
/usr/bin/python3 p.py
echo $?
