-- The answer is collected, decoded, edited, encoded.
local cjson = require "cjson"
local of_bundle, of_resource, of_meta = @OF_BUNDLE@, @OF_RESOURCE@, @OF_META@
local function drop(from, names) for _, name in ipairs(names) do from[name] = nil end end
return function()
  local parts = ngx.ctx.parts
  if not parts then parts = {}; ngx.ctx.parts = parts end
  if ngx.arg[1] ~= "" then parts[#parts + 1] = ngx.arg[1] end
  if not ngx.arg[2] then ngx.arg[1] = nil; return end
  local bundle = cjson.decode(table.concat(parts))
  drop(bundle, of_bundle)
  for _, entry in ipairs(bundle.entry) do
    drop(entry.resource, of_resource)
    drop(entry.resource.meta, of_meta)
  end
  ngx.arg[1] = cjson.encode(bundle)
end
