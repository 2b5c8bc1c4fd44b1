"""The scripts that the server runs: each is one atomic step, and does what the accounting of the other stores does.

All keys of a domain have one hash tag, so that they are on one node of a cluster; the scripts find the keys of counters
and leases by themselves below that tag. Lua numbers are doubles, exact to 2**53, and are always written as `%.0f`.

Keys of a domain, below its prefix:

    x           sorted set of open leases by the time at which they end
    l:<id>      one lease: state, end, note and what it holds (MessagePack)
    c:<key>     one counter: settled, open, level, at, ticks, forget
    g:<log>     one log, a stream
    never       no key. A call to a cluster names it besides `x`: while the slot of a domain is moved to another node,
                key by key, neither node has all counters, and a call that names one key would be let through on
                either. One that names two, of which one is not there, fails with TRYAGAIN until all have arrived.
"""

from __future__ import annotations

import hashlib

__all__ = ["APPEND", "EXTEND", "NEVER", "RESERVE", "SETTLE", "WRITE", "Script"]


NEVER = "never"


class Script:
    """The text of a script, and the digest by which the server knows it."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_COMMON = """
local zset, base, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local SETTLED_MS, EXPIRED_MS, GRACE_MS, SWEEP, MOST = 600000, 604800000, 86400000, 1000, 9007199254740991

local function whole(number) return string.format('%.0f', number) end

local function load(key)
  local row = redis.call('HMGET', base .. 'c:' .. key, 's', 'o', 'l', 'a', 't', 'f')
  for i = 1, 6 do row[i] = tonumber(row[i] or '0') end
  return {key = key, settled = row[1], open = row[2], level = row[3], at = row[4], ticks = row[5], forget = row[6]}
end

local function save(c)
  local name = base .. 'c:' .. c.key
  if c.settled == 0 and c.open == 0 and c.level == 0 then
    redis.call('DEL', name)
    return
  end
  redis.call('HSET', name, 's', whole(c.settled), 'o', whole(c.open), 'l', whole(c.level), 'a', whole(c.at),
    't', whole(c.ticks), 'f', whole(c.forget))
  if c.forget > 0 then redis.call('PEXPIREAT', name, whole(c.forget)) end
end

-- A rate is {limit, ticks, tick_ms, burst}.

local function drain(c, rate)
  if c.ticks ~= rate[2] then
    if c.ticks > 0 then c.level = math.ceil(c.level * rate[2] / c.ticks) else c.at = now end
    c.ticks = rate[2]
  end
  local elapsed = math.floor((now - c.at) / rate[3])
  if elapsed > 0 then
    c.level = math.max(0, c.level - elapsed * rate[1])
    c.at = c.at + elapsed * rate[3]
  end
end

local function wait(c, level, rate)
  if level <= 0 then return 0 end
  return math.max(1, math.ceil(level / rate[1]) * rate[3] - (now - c.at))
end

local function fill(c, amount, drained)
  if amount >= 0 then
    c.level = math.min(MOST, c.level + amount * c.ticks)
  else
    c.level = math.max(0, c.level - math.max(0, -amount * c.ticks - drained))
  end
end

local function forget_at(ends, at_least)
  if ends <= 0 then return 0 end
  return math.max(ends, at_least) + GRACE_MS
end

-- What a lease holds of a counter is {key, amount, charge, taken, limit, ticks, tick_ms, burst}; a sum ends at `taken`.

local function finish(held, used, was_open)
  local c = load(held[1])
  local charges = held[3] == 1
  if not held[5] then
    local charged = 0
    if was_open then c.open = math.max(0, c.open - held[2]) elseif charges then charged = held[2] end
    c.settled = c.settled + used - charged
    save(c)
    return used - charged
  end
  local rate = {held[5], held[6], held[7], held[8]}
  drain(c, rate)
  local present = 0
  if was_open or charges then present = held[2] end
  fill(c, used - present, math.floor(math.max(0, now - held[4]) / rate[3]) * rate[1])
  save(c)
  return 0
end

-- One amount of each charge as a member of an object; empty where all are 0.
local function member(name, charges, place)
  local parts = {}
  for _, charge in ipairs(charges) do
    local amount = charge[place] or 0
    if amount ~= 0 then parts[#parts + 1] = cjson.encode(charge[1]) .. ':' .. whole(amount) end
  end
  if #parts == 0 then return '' end
  return ',"' .. name .. '":{' .. table.concat(parts, ',') .. '}'
end

-- A charge is {key, amount, how much of it is partial, how much is estimated}.
local function record(id, kind, charges, note)
  if note == '' then return end
  local charged = member('charges', charges, 2)
  local marks = member('partial', charges, 3) .. member('estimated', charges, 4)
  if charged == '' then
    if marks == '' and kind ~= 'settled' then return end
    charged = ',"charges":{}'
  end
  local event = '{"kind":' .. cjson.encode(kind) .. ',"lease":' .. cjson.encode(id) .. ',"note":' .. cjson.encode(note)
    .. charged .. marks .. '}'
  redis.call('XADD', base .. 'g:ledger', 'MAXLEN', '~', 100000, '*', 'e', event)
end

local function get_lease(id)
  local packed = redis.call('GET', base .. 'l:' .. id)
  if packed then return cmsgpack.unpack(packed) end
end

local function put_lease(id, lease, keep)
  local name = base .. 'l:' .. id
  if keep then
    redis.call('SET', name, cmsgpack.pack(lease), 'PX', keep)
  else
    redis.call('SET', name, cmsgpack.pack(lease))
  end
end

local function sweep()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', zset, '-inf', whole(now), 'LIMIT', 0, SWEEP)) do
    redis.call('ZREM', zset, id)
    local lease = get_lease(id)
    if lease and lease[1] == 'open' then
      local charges = {}
      for _, held in ipairs(lease[4]) do
        local used = 0
        if held[3] == 1 then used = held[2] end
        local charged = finish(held, used, true)
        charges[#charges + 1] = {held[1], charged, 0, charged}
      end
      lease[1] = 'expired'
      put_lease(id, lease, EXPIRED_MS)
      record(id, 'expired', charges, lease[3])
    end
  end
end
"""

RESERVE = Script(
    _COMMON
    + """
-- ARGV[4] has what is asked for, one reservation after the other: {id, lasts, note, entries}. An entry is {key, amount,
-- limit or false, enforce, charge, ends, and, of a rate, limit, ticks, tick_ms, burst}.
local reading = ARGV[3] == 'read'

local function reserve(id, lasts, note, asked)
  local known
  if not reading then
    known = get_lease(id)
    if known and known[1] ~= 'open' then return {'ended'} end
  end

  local entries, counters, refused = {}, {}, false
  for i, each in ipairs(asked) do
    local entry = {
      key = each[1], amount = each[2], limit = each[3], enforce = each[4], charge = each[5], ends = each[6],
      retry = -1, exceeded = 0,
    }
    local c = load(entry.key)
    if each[7] then
      entry.rate = {each[7], each[8], each[9], each[10]}
      drain(c, entry.rate)
      local over = c.level + (entry.amount - entry.rate[4]) * entry.rate[2]
      if over > 0 then
        entry.exceeded = 1
        if entry.amount <= entry.rate[4] then entry.retry = wait(c, over, entry.rate) end
      end
    elseif entry.limit and c.settled + c.open + entry.amount > entry.limit then
      entry.exceeded = 1
    end
    if entry.exceeded == 1 and entry.enforce then refused = true end
    entries[i], counters[i] = entry, c
  end

  local expires = now + lasts
  if not reading and not known and not refused then
    local held = {}
    for i, entry in ipairs(entries) do
      local c = counters[i]
      if entry.rate then
        fill(c, entry.amount, 0)
        c.forget = math.max(c.forget, now + wait(c, c.level, entry.rate) + GRACE_MS)
        held[i] = {entry.key, entry.amount, entry.charge, now, unpack(entry.rate)}
      else
        c.open = c.open + entry.amount
        c.forget = math.max(c.forget, forget_at(entry.ends, expires))
        held[i] = {entry.key, entry.amount, entry.charge, 0}
      end
      save(c)
    end
    put_lease(id, {'open', expires, note, held})
    redis.call('ZADD', zset, whole(expires), id)
  elseif known then
    refused, expires = false, known[2]
  end

  local answer = {refused and 'refused' or 'granted', expires}
  for i, entry in ipairs(entries) do
    local c, settled, open, resets = counters[i], 0, 0, -1
    if entry.rate then
      settled, resets = math.ceil(c.level / entry.rate[2]), wait(c, c.level, entry.rate)
    else
      settled, open = c.settled, c.open
    end
    answer[i + 2] = {settled, open, entry.exceeded, entry.retry, resets}
  end
  return answer
end

sweep()
local answers = {}
for i, each in ipairs(cmsgpack.unpack(ARGV[4])) do answers[i] = reserve(unpack(each)) end
return cmsgpack.pack(answers)
"""
)

SETTLE = Script(
    _COMMON
    + """
-- ARGV[3] has the settlements: {id, reserved, note, amounts}. An amount is {key, amount, ends, partial, estimated}.
local function settle(id, reserved, note, actual)
  local lease = get_lease(id)
  if lease and lease[1] == 'settled' then return end
  if not lease and reserved then
    local made = tonumber(string.match(id, '^(%x+)%-') or 'none', 16)
    if made and now - made > SETTLED_MS then return end
  end
  local amounts, charges = {}, {}
  for _, amount in ipairs(actual) do amounts[amount[1]] = amount end
  local kind, keep = 'settled', SETTLED_MS
  if lease then
    if lease[1] == 'expired' then kind, keep = 'corrected', EXPIRED_MS end
    note = lease[3]
    for _, held in ipairs(lease[4]) do
      local amount = amounts[held[1]] or {held[1], 0, 0, 0, 0}
      amounts[held[1]] = nil
      local charged = finish(held, amount[2], lease[1] == 'open')
      -- What an expiry has charged was an estimate, which this amount replaces.
      local expired = amount[2] - charged
      if held[5] then charges[#charges + 1] = {held[1], 0}
      else charges[#charges + 1] = {held[1], charged, amount[4], amount[5] - expired} end
    end
  end
  for _, amount in ipairs(actual) do
    if amounts[amount[1]] then
      local c = load(amount[1])
      if c.ticks > 0 then
        fill(c, amount[2], 0)
      else
        c.forget = math.max(c.forget, forget_at(amount[3], now))
        c.settled = c.settled + amount[2]
        charges[#charges + 1] = {amount[1], amount[2], amount[4], amount[5]}
      end
      save(c)
    end
  end
  if not reserved then keep = EXPIRED_MS end
  put_lease(id, {'settled', 0, '', {}}, keep)
  redis.call('ZREM', zset, id)
  record(id, kind, charges, note)
end

for _, each in ipairs(cmsgpack.unpack(ARGV[3])) do settle(unpack(each)) end
return 1
"""
)

EXTEND = Script(
    _COMMON
    + """
local until_ms, open = now + tonumber(ARGV[3]), {}
for i = 4, #ARGV do
  local lease = get_lease(ARGV[i])
  if lease and lease[1] == 'open' and lease[2] > now then
    lease[2] = math.max(lease[2], until_ms)
    put_lease(ARGV[i], lease)
    redis.call('ZADD', zset, whole(lease[2]), ARGV[i])
    open[#open + 1] = ARGV[i]
  end
end
return open
"""
)

_ONCE = """
-- A command that the client has sent again, for it has lost the answer, is answered as it was. `done` is its own key.
local done = KEYS[1] .. ':done:' .. ARGV[1]
local answered = redis.call('GET', done)
local function answer(word, number)
  redis.call('SET', done, word .. ' ' .. string.format('%.0f', number), 'PX', 60000)
  return {word, number}
end
if answered then
  local word, number = string.match(answered, '^(%a+) (%d+)$')
  return {word, tonumber(number)}
end
table.remove(ARGV, 1)
"""

WRITE = Script(
    _ONCE
    + """
-- Writes (or with ARGV[3] == 'delete' removes) a document. KEYS: values, order, epoch.
local key, expected, present, version = ARGV[1], ARGV[2], redis.call('HGET', KEYS[1], ARGV[1]), 0
if present then version = tonumber(string.match(present, '^(%d+):')) end
if expected ~= '' and tonumber(expected) ~= version then return {'conflict', version} end
if ARGV[3] == 'delete' and not present then return {'absent', 0} end
local epoch = redis.call('INCR', KEYS[3])
if ARGV[3] == 'delete' then
  redis.call('HDEL', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
else
  redis.call('HSET', KEYS[1], key, string.format('%.0f', epoch) .. ':' .. ARGV[4])
  redis.call('ZADD', KEYS[2], 0, key)
end
redis.call('PUBLISH', ARGV[5], string.format('%.0f', epoch) .. ' ' .. key)
return answer('written', epoch)
"""
)

APPEND = Script(
    _ONCE
    + """
for i = 2, #ARGV do redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[i]) end
return answer('appended', #ARGV - 1)
"""
)
