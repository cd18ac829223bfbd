# lua
# needs: lua5.4
lua5.4 -e 'local t = {} for i = 1, 50000 do t[i] = (i * 7919) % 1000 end table.sort(t) print(t[1], t[25000], #t) print(io.popen("echo sub"):read("a")) print(os.execute("exit 3")) local c = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end) print(c(), c()) print(pcall(error, "x")) print(string.rep("ab", 3, "-"):gsub("a", "x")) os.exit(8)'
echo $?
lua5.4 -e 'error("uncaught")'
echo $?
