-- The call is over: free its connection, count it from its answer on, believe what Xero's headers say.
--
-- KEYS  as in governor_acquire.lua
-- ARGV  1 slot  2 window  3 lease  4 day  5 margin      (all times in microseconds)
--       6 minute limit  7 concurrent limit  8 day limit  9 app minute limit
--       10 sent: 0 when no byte of the request left
--       11 12 13 what Xero says is left of the minute, the day and the app's minute; '' when it does not say
--       14 how long Xero wants us to wait, 0 for not at all  15 the reason to give (1 to 6)
--       16 scope of that wait: 'app', 'tenant' or '' for an answer other than 429
--       17 'minute' or 'day' when Xero itself named the end of that wait, else ''
--
-- "Sent at s, answered at r" counts until r + window: Xero saw it no later than r and sees the next one
-- no earlier than we send it, so no window of Xero's can hold more than the limit.

local slot = ARGV[1]
local window, lease, day, margin = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local minute_limit, concurrent_limit = tonumber(ARGV[6]), tonumber(ARGV[7])
local day_limit, app_limit = tonumber(ARGV[8]), tonumber(ARGV[9])
local sent = ARGV[10] == '1'
local minute_told, day_told, app_told = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local block_for, block_why, block_scope = tonumber(ARGV[14]), tonumber(ARGV[15]), ARGV[16]
local named = ARGV[17]
local for_tenant = #KEYS > 3
local counted_for = window + margin
local bucket = math.floor(day / 24)

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function text(n) return string.format('%.0f', n) end
local function milliseconds(n) return text(math.ceil(n / 1000) + 1000) end

-- A place that acquire.lua gave counts until "lease and window after the send".
local place = tonumber(redis.call('ZSCORE', KEYS[3], slot) or nil)
local sent_at = place and math.min(place - lease - counted_for, now) or now

local function restamp(key)
  if sent then
    redis.call('ZADD', key, text(now + counted_for), slot)
    redis.call('PEXPIRE', key, milliseconds(lease + counted_for))
  else
    redis.call('ZREM', key, slot)
  end
end

-- Ghosts are calls that Xero counted and we did not: another user of the app, or data that was lost.
-- Xero counted when the call came by, so whatever counted at any moment since its send is no ghost.
local function add_ghosts(key, limit, told)
  local missing = limit - told - redis.call('ZCOUNT', key, '(' .. text(sent_at), '+inf')
  for i = 1, missing do
    redis.call('ZADD', key, text(now + counted_for), 'ghost:' .. slot .. ':' .. i)
  end
  if missing > 0 then redis.call('PEXPIRE', key, milliseconds(lease + counted_for)) end
end

local function believe_day(key)
  local fields = redis.call('HGETALL', key)
  local oldest = math.floor((now - day - lease) / bucket)
  local own, ghost, ghost_until = 0, 0, 0
  for i = 1, #fields, 2 do
    local name, value = fields[i], tonumber(fields[i + 1])
    if name == 'ghost' then ghost = value
    elseif name == 'ghost_until' then ghost_until = value
    elseif tonumber(name) >= oldest then own = own + value end
  end
  if ghost_until <= now then ghost = 0 end
  local used = day_limit - day_told
  -- Answers overtake one another, so a little more left than we think is no news; much more means
  -- that Xero's day began anew. That belief is kept for one bucket only.
  local slack = 2 * concurrent_limit
  local believed = own + ghost
  if used > believed then
    ghost = used - own
  elseif used + slack < believed then
    ghost = used + slack - own
  end
  -- Each answer renews the belief.
  if ghost ~= 0 then
    local kept_for = ghost > 0 and day or bucket
    redis.call('HSET', key, 'ghost', text(ghost), 'ghost_until', text(now + kept_for))
    redis.call('PEXPIRE', key, milliseconds(day + lease + bucket))
  end
end

-- Xero named the end of the wait: what we only guessed must not outlast it.
local function forget_guesses(until_then)
  if named == 'day' then
    redis.call('DEL', KEYS[7])
    redis.call('HSET', KEYS[7], text(math.floor(now / bucket)), '0')
    redis.call('PEXPIRE', KEYS[7], milliseconds(day + lease + bucket))
  end
  if named ~= 'minute' then return end
  local entries = redis.call('ZRANGEBYSCORE', KEYS[6], '(' .. text(until_then), '+inf')
  for _, member in ipairs(entries) do
    if string.sub(member, 1, 6) == 'ghost:' then redis.call('ZADD', KEYS[6], text(until_then), member) end
  end
end

local function block(key)
  local until_then = now + block_for
  local standing = string.match(redis.call('GET', key) or '', '^(%d+):')
  if standing and tonumber(standing) >= until_then then return end
  redis.call('SET', key, text(until_then) .. ':' .. block_why, 'PX', milliseconds(block_for))
end

restamp(KEYS[3])
if for_tenant then
  redis.call('ZREM', KEYS[5], slot)
  restamp(KEYS[6])
  local today = text(math.floor(now / bucket))
  if not sent and tonumber(redis.call('HGET', KEYS[7], today) or '0') > 0 then
    redis.call('HINCRBY', KEYS[7], today, -1)
  end
end

if block_scope == 'app' then
  block(KEYS[2])
elseif block_scope == 'tenant' then
  block(KEYS[4])
  forget_guesses(now + block_for)
else
  if app_told then add_ghosts(KEYS[3], app_limit, app_told) end
  if for_tenant and minute_told then add_ghosts(KEYS[6], minute_limit, minute_told) end
  if for_tenant and day_told then believe_day(KEYS[7]) end
end
return 1
