-- Sorting, texts and tables, as scripts have them. Argument: how many.
local count = tonumber(arg[1])
local seed = 42
local function random()
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed
end
local items = {}
for i = 1, count do
  items[i] = { key = random(), text = string.format("%08x", random()) }
end
table.sort(items, function(a, b) return a.key < b.key end)
local histogram = {}
for _, item in ipairs(items) do
  local prefix = item.text:sub(1, 3)
  histogram[prefix] = (histogram[prefix] or 0) + 1
end
local lines = {}
for prefix, number in pairs(histogram) do
  lines[#lines + 1] = prefix .. "=" .. number
end
table.sort(lines)
print(#table.concat(lines, ","), count)
