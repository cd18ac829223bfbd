-- Work for the traced Lua interpreter. In C, each error and each yield is a longjmp, so this leaves
-- call frames in every way that Lua has: errors caught near and far, as texts and as objects, inside
-- coroutines, callbacks and metamethods; yields from nested coroutines and across pcall.
-- Prints one line a subject; nothing in it depends on addresses, time, hash order or where this file is.

local function closures()
  local makers = {}
  for i = 1, 50 do
    local count = 0
    makers[i] = function(step) count = count + step * i return count end
  end
  local total = 0
  for round = 1, 20 do
    for i = 1, #makers do total = total + makers[i](round) end
  end
  return total
end

-- error objects, rethrown through several levels, with handlers that add to them
local function fail(depth, object)
  if depth == 0 then error(object) end
  return 1 + fail(depth - 1, object)
end

local function errors()
  local caught, text = 0, 0
  for i = 1, 70 do
    local object = setmetatable({code = i}, {__tostring = function(self) return "E" .. self.code end})
    local ok, err = pcall(fail, i % 17, object)
    assert(not ok and err == object)
    caught = caught + err.code
    ok, err = pcall(fail, i % 5, "plain")
    text = text + #err:match(":%d+: (.*)$") -- without the place, which has the path of this file
    ok, err = xpcall(fail, function(e) return #tostring(e) end, i % 7, object)
    assert(not ok and err == #tostring(object))
  end
  return caught, text
end

-- pcall in pcall: the inner one catches, repairs or throws on
local function nested(level)
  local ok, err = pcall(function()
    if level == 0 then error({level = 0}) end
    nested(level - 1)
    error({level = level})
  end)
  assert(not ok)
  if err.level % 3 == 2 then pcall(error, "swallowed " .. err.level) end
  return err.level
end

-- errors out of C functions that call back: sort, gsub, metamethods, tostring
local function callbacks()
  local count = 0
  for i = 1, 20 do
    local list = {}
    for k = 1, 20 do list[k] = (k * 37 + i) % 101 end
    local calls = 0
    local ok = pcall(table.sort, list, function(a, b)
      calls = calls + 1
      if calls > 45 + i then error("enough") end
      return a < b
    end)
    if not ok then count = count + 1 end
    ok = pcall(string.gsub, "a,b,c,d,e", "%a", function(letter)
      if letter == "d" and i % 2 == 0 then error({letter}) end
      return letter:upper()
    end)
    if not ok then count = count + 1 end
    local strange = setmetatable({}, {__index = function(_, key) error("no " .. key) end,
                                      __add = function(a, b) return pcall(error, "sum") end})
    if not pcall(function() return strange.field end) then count = count + 1 end
    assert((strange + 1) == false)
  end
  return count
end

local function producer(n)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield(i) end
  end)
end

-- a chain of coroutines, each resuming the one before
local function chain(length, n)
  local source = producer(n)
  for _ = 1, length do
    local before = source
    source = coroutine.wrap(function()
      for value in before do coroutine.yield(value + 1) end
    end)
  end
  local total = 0
  for value in source do total = total + value end
  return total
end

local function coroutines()
  local total = 0
  for i = 1, 8 do total = total + chain(i % 8, 10) end
  -- many at once, resumed in turn
  local all = {}
  for i = 1, 100 do
    all[i] = coroutine.create(function(a)
      for k = 1, 5 do a = a + coroutine.yield(a * k) end
      if i % 4 == 0 then error({number = i}) end
      return a
    end)
  end
  local failed = 0
  for _ = 1, 7 do
    for i = 1, #all do
      if coroutine.status(all[i]) == "suspended" then
        local ok, value = coroutine.resume(all[i], i)
        if ok then total = total + (value or 0) else failed = failed + value.number end
      end
    end
  end
  -- yields across pcall, errors after them, closing with variables to close
  local closed = 0
  for i = 1, 60 do
    local co = coroutine.create(function()
      local guard <close> = setmetatable({}, {__close = function() closed = closed + 1 end})
      local ok, err = pcall(function()
        coroutine.yield(1)
        error({deep = coroutine.isyieldable()})
      end)
      assert(not ok and err.deep)
      coroutine.yield(2)
      error("end")
    end)
    for _ = 1, i % 4 do coroutine.resume(co) end
    coroutine.close(co)
  end
  return total, failed, closed
end

-- the C stack's limit: an error out of some 200 nested C calls
local function overflow()
  local function again(text) return (string.gsub(text, ".", again)) end
  local ok, err = pcall(again, "x")
  return ok, err:match("C stack overflow")
end

local function texts()
  local parts = {}
  for i = 1, 50 do
    parts[#parts + 1] = string.format("%05d:%s:%q", i, ("x"):rep(i % 9), tostring(i * 0.5))
  end
  local text = table.concat(parts, "\n")
  local words = 0
  for word in text:gmatch("%d+") do words = words + #word end
  local chunk = assert(load("local t = ... ; local s = 0 for i = 1, #t do s = s + t:byte(i) end return s"))
  return #text, words, chunk(text), select("#", table.unpack({}, 1, 200))
end

print("closures", closures())
print("errors", errors())
for level = 1, 12 do nested(level) end
print("nested", nested(30))
print("callbacks", callbacks())
print("coroutines", coroutines())
print("overflow", overflow())
print("texts", texts())
collectgarbage()
