-- May this call leave now? Looks at every limit at once and takes a place in all of them, or in none.
--
-- KEYS  1 epoch  2 app block  3 app minute log
--       and for calls to an organisation: 4 block  5 leases  6 minute log  7 day
-- ARGV  1 slot  2 window  3 lease  4 day  5 margin      (all times in microseconds)
--       6 minute limit  7 concurrent limit  8 day limit  9 app minute limit
--       10 minute reserve  11 concurrent reserve  12 day reserve  13 app minute reserve
--       14 wait while all connections are busy
--       15 look: 1 to only say what is left
--       16 cleared: 1 when the database was asked, and no call was made in the last window
--       17 how many calls the database has of the last day
--       18 a wait that Xero asked for and Redis forgot, 0 for none  19 its reason
--
-- A log is a sorted set of slots; the score is the moment until which a call counts. Time is Redis's
-- own, in whole microseconds, which a double holds exactly. A place that no longer counts is kept for
-- one lease more: release.lua compares with what Xero counted when the call was on its way.
--
-- Returns {verdict, wait, reason, minute left, day left, now}; the verdicts are those below, the
-- reasons 0 none 1 minute 2 concurrent 3 day 4 app minute 5 blocked 6 safe start.

local GRANTED, WAIT, ASK = 1, 0, 2
local MINUTE, CONCURRENT, DAY, APP_MINUTE, BLOCKED, SAFE_START = 1, 2, 3, 4, 5, 6

local slot = ARGV[1]
local number = {}
for i = 2, #ARGV do number[i] = tonumber(ARGV[i]) end
local window, lease, day, margin = number[2], number[3], number[4], number[5]
local minute_limit, concurrent_limit, day_limit, app_limit = number[6], number[7], number[8], number[9]
local minute_reserve, concurrent_reserve, day_reserve, app_reserve = number[10], number[11], number[12], number[13]
local busy_wait = number[14]
local look, cleared = number[15] == 1, number[16] == 1
local remembered, standing_for, standing_why = number[17], number[18], number[19]
local for_tenant = #KEYS > 3
local counted_for = window + margin

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function text(n) return string.format('%.0f', n) end
local function milliseconds(n) return text(math.ceil(n / 1000) + 1000) end
local function after_now() return '(' .. text(now) end

local wait, reason = 0, 0
local function hold(how_long, why)
  if how_long > wait then wait, reason = how_long, why end
end

-- A block is written "until:reason" at a 429. Returns its reason while it lasts.
local function check_block(key)
  local until_then, why = string.match(redis.call('GET', key) or '', '^(%d+):(%d+)$')
  if not until_then or tonumber(until_then) <= now then return nil end
  hold(tonumber(until_then) - now, tonumber(why))
  return tonumber(why)
end

local function check_log(key, limit, why)
  local used = redis.call('ZCOUNT', key, after_now(), '+inf')
  if used >= limit then
    local freed = redis.call('ZRANGEBYSCORE', key, after_now(), '+inf', 'WITHSCORES',
      'LIMIT', text(used - limit), '1')
    -- A call that is still under way counts as if it could crash; expect that it will not.
    local how_long = freed[2] and math.min(tonumber(freed[2]) - now, counted_for) or counted_for
    hold(math.max(how_long, 1), why)
  end
  return used
end

-- The day is counted in buckets of a 24th; one counts until its last call is a day old, for certain.
local bucket = math.floor(day / 24)
local function check_day(key)
  local fields = redis.call('HGETALL', key)
  local oldest = math.floor((now - day - lease) / bucket)
  local parts, used, ghost, ghost_until = {}, 0, 0, 0
  for i = 1, #fields, 2 do
    local name, value = fields[i], tonumber(fields[i + 1])
    if name == 'ghost' then ghost = value
    elseif name == 'ghost_until' then ghost_until = value
    elseif tonumber(name) >= oldest then
      used = used + value
      parts[#parts + 1] = { (tonumber(name) + 1) * bucket + day + lease, value }
    elseif not look then
      redis.call('HDEL', key, name)
    end
  end
  if ghost_until <= now then ghost = 0 end
  if ghost ~= 0 then parts[#parts + 1] = { ghost_until, ghost } end
  used = math.max(used + ghost, 0)
  -- Of a smaller day than the settings say (the Starter tier) the reserve is a smaller part too.
  local missing = math.min(math.max(ghost, 0), day_limit)
  local limit = day_limit - math.floor(day_reserve * (day_limit - missing) / day_limit)
  if used >= limit then
    table.sort(parts, function(a, b) return a[1] < b[1] end)
    local left, free_at = used, now + day
    for _, part in ipairs(parts) do
      left = left - part[2]
      if left < limit then free_at = part[1] break end
    end
    hold(math.max(free_at - now, 1), DAY)
  end
  return used
end

-- Without the epoch Redis has lost what we counted, or was never used. Until a day later, only the
-- database knows what became of an organisation that was not called since.
local epoch = tonumber(redis.call('GET', KEYS[1]) or nil)
local day_kept = day + lease + bucket
if not look then
  if not epoch then
    epoch = now
    redis.call('SET', KEYS[1], text(now))
  end
  redis.call('PEXPIRE', KEYS[1], milliseconds(day_kept))
  if for_tenant and now < epoch + day_kept and redis.call('EXISTS', KEYS[7]) == 0 then
    if not cleared then return { ASK, math.max(epoch + counted_for - now, 0), SAFE_START, 0, 0, now } end
    redis.call('HINCRBY', KEYS[7], text(math.floor(now / bucket)), text(remembered))
    redis.call('PEXPIRE', KEYS[7], milliseconds(day_kept))
    if standing_for > 0 then
      redis.call('SET', KEYS[4], text(now + standing_for) .. ':' .. standing_why, 'PX', milliseconds(standing_for))
    end
  end
end

-- The client repeats a command whose answer was lost: the place it took is still its own.
if not look and redis.call('ZSCORE', KEYS[3], slot) then
  return { GRANTED, 0, 0, 0, 0, now }
end

check_block(KEYS[2])
check_log(KEYS[3], app_limit - app_reserve, APP_MINUTE)
local minute_left, day_left = 0, 0
if for_tenant then
  local at_once = concurrent_limit - concurrent_reserve
  local under_way = look and 0 or redis.call('ZCOUNT', KEYS[5], after_now(), '+inf')
  if under_way >= at_once then
    local freed = redis.call('ZRANGEBYSCORE', KEYS[5], after_now(), '+inf', 'WITHSCORES',
      'LIMIT', text(under_way - at_once), '1')
    hold(freed[2] and math.min(tonumber(freed[2]) - now, busy_wait) or busy_wait, CONCURRENT)
  end
  minute_left = math.max(minute_limit - check_log(KEYS[6], minute_limit - minute_reserve, MINUTE), 0)
  day_left = math.max(day_limit - check_day(KEYS[7]), 0)
  -- While Xero wants to be left alone nothing is left, whatever we counted.
  local blocked = check_block(KEYS[4])
  if blocked then minute_left = 0 end
  if blocked == DAY then day_left = 0 end
end

if wait > 0 then return { WAIT, wait, reason, minute_left, day_left, now } end
if look then return { GRANTED, 0, 0, minute_left, day_left, now } end

-- The place counts as if the caller crashed now: release.lua brings it to "one window after the answer".
local function enter(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - lease))
  redis.call('ZADD', key, text(now + lease + counted_for), slot)
  redis.call('PEXPIRE', key, milliseconds(lease + counted_for))
end

enter(KEYS[3])
if for_tenant then
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', text(now))
  redis.call('ZADD', KEYS[5], text(now + lease), slot)
  redis.call('PEXPIRE', KEYS[5], milliseconds(lease))
  enter(KEYS[6])
  redis.call('HINCRBY', KEYS[7], text(math.floor(now / bucket)), 1)
  redis.call('PEXPIRE', KEYS[7], milliseconds(day_kept))
  minute_left, day_left = math.max(minute_left - 1, 0), math.max(day_left - 1, 0)
end
return { GRANTED, 0, 0, minute_left, day_left, now }
