# lua (telcc)
# P: what was built
cat >a.lua <<'E'
local t = {} for i = 1, 400 do t[i] = (i * 7919) % 1000 end table.sort(t, function(a, b) return a < b end) print(t[1], t[200], #t)
local c = coroutine.wrap(function(a) for i = 1, 30 do a = coroutine.yield(a + i) end return "end" end) local s = 0 for i = 1, 30 do s = s + c(i) end print(s)
local n = 0 for i = 1, 60 do if not pcall(function() if i % 3 == 0 then error({i}) end end) then n = n + 1 end end print(n) print(string.format("%q", ("a,b"):rep(20)):gsub(",", ";"))
print(io.popen("echo sub"):read("a")) print(load("return 1 +")) os.exit(tonumber(arg[1]) or 3, true)
E
$P a.lua
echo $?
$P a.lua 0
echo $?
$P -e 'error("uncaught")' 2>&1 | head -2
$P -v
