/**
 * The channel programs, in Lua 5.2 as the kernel has it (zfs-program(8)). What ends a program early undoes nothing of what it did
 * before, so nothing here may fail half-way: a dataset is asked for before it is looked at, and what was taken is destroyed again
 * by hand. Numbers of 64 bits leave as text, because JSON has no room for them.
 *
 * Each finds what it is about in `given`. The shapes on both sides are those of access.ts.
 */

/** For clear(): `{ reserve = { permille, bytes }, container, requests = … }` → `{ { taken = … } | { errno, name } … }` */
export const CLEAR = `
local function inside(dataset, into)
  for child in zfs.list.children(dataset) do
    if child ~= given.container then
      into[#into + 1] = child
      inside(child, into)
    end
  end
end

-- Those named, then those inside, under the label of the one they lie in.
local function wanted(request)
  local all = {}
  for _, one in ipairs(request.snapshots) do
    all[#all + 1] = one
  end
  if request.recursive then
    for _, one in ipairs(request.snapshots) do
      local children = {}
      inside(one.dataset, children)
      local label = string.sub(one.name, #one.dataset + 1)
      for _, child in ipairs(children) do
        all[#all + 1] = { dataset = child, name = child .. label }
      end
    end
  end
  return all
end

local function isOwn(name, request)
  return zfs.exists(name) and zfs.get_prop(name, "hauki:mutation") == request.mutation
end

local function shown(one)
  return {
    dataset = one.dataset,
    name = one.name,
    guid = tostring(zfs.get_prop(one.name, "guid")),
    txg = tostring(zfs.get_prop(one.name, "createtxg")),
    creation = zfs.get_prop(one.name, "creation"),
  }
end

local function tight(dataset)
  local free = zfs.get_prop(dataset, "available")
  local kept = (free + zfs.get_prop(dataset, "used")) / 1000 * given.reserve.permille
  if kept > given.reserve.bytes then
    kept = given.reserve.bytes
  end
  if free < kept then
    return { errno = 28, name = dataset, free = free, kept = kept }
  end
end

local function take(one, request)
  local errno = zfs.sync.snapshot(one.name)
  if errno ~= 0 then
    return errno
  end
  for property, value in pairs(request.properties) do
    errno = zfs.sync.set_prop(one.name, property, value)
    if errno ~= 0 then
      zfs.sync.destroy(one.name)
      return errno
    end
  end
  return 0
end

local function clear(request)
  for _, one in ipairs(request.snapshots) do
    if not zfs.exists(one.dataset) then
      return { errno = 2, name = one.dataset }
    end
  end
  local all = wanted(request)
  local there = {}
  for _, one in ipairs(all) do
    if isOwn(one.name, request) then
      there[#there + 1] = shown(one)
    end
  end
  -- Asked again: the answer is the same.
  local named = 0
  for _, one in ipairs(request.snapshots) do
    if isOwn(one.name, request) then
      named = named + 1
    end
  end
  if named == #request.snapshots then
    return { taken = there }
  end
  -- The rest of a call for several pools that was broken off: of another moment than those to come.
  for _, one in ipairs(there) do
    zfs.sync.destroy(one.name)
  end
  for _, one in ipairs(all) do
    if #one.name > 255 then
      return { errno = 36, name = one.name }
    end
    local refused = tight(one.dataset)
    if refused then
      return refused
    end
    local errno = zfs.check.snapshot(one.name)
    if errno ~= 0 then
      return { errno = errno, name = one.name }
    end
  end
  local taken = {}
  for _, one in ipairs(all) do
    local errno = take(one, request)
    if errno ~= 0 then
      for _, before in ipairs(taken) do
        zfs.sync.destroy(before.name)
      end
      return { errno = errno, name = one.name }
    end
    taken[#taken + 1] = shown(one)
  end
  return { taken = taken }
end

local answers = {}
for index, request in ipairs(given.requests) do
  answers[index] = clear(request)
end
return answers
`;

const NAMES = `
local function names(iterator)
  local found = {}
  for name in iterator do
    found[#found + 1] = name
  end
  return found
end
`;

/** For survey(): `{ home, dataset, pre, evidence, container, fail = { name, properties } | nil }` → a survey (its `newer` with `ours` and `datasets` in
 * the place of `own`; `bookmarks` besides), `{ missing }` or `{ errno, name }` */
export const SURVEY = `${NAMES}
if not zfs.exists(given.dataset) then
  return { missing = true }
end
local survey = {
  type = zfs.get_prop(given.dataset, "type"),
  kept = zfs.exists(given.evidence),
  container = zfs.exists(given.container),
  newer = {},
}
if not zfs.exists(given.pre) then
  return survey
end
local txg = zfs.get_prop(given.pre, "createtxg")
survey.pre = { guid = tostring(zfs.get_prop(given.pre, "guid")), txg = tostring(txg) }

local fail = given.fail and given.fail.name
if not fail then
  -- What was written in this very transaction group counts already: it is synced before programs run.
  survey.unchanged = zfs.get_prop(given.dataset, "written" .. string.sub(given.pre, #given.dataset + 1)) == 0
end
for snapshot in zfs.list.snapshots(given.dataset) do
  if snapshot ~= fail and zfs.get_prop(snapshot, "createtxg") > txg then
    survey.newer[#survey.newer + 1] = {
      name = snapshot,
      ours = zfs.get_prop(snapshot, "hauki:home") == given.home,
      datasets = zfs.get_prop(snapshot, "hauki:datasets") or "",
      holds = names(zfs.list.holds(snapshot)),
      clones = names(zfs.list.clones(snapshot)),
    }
  end
end
-- Of bookmarks programs are told no more than the names.
survey.bookmarks = names(zfs.list.bookmarks(given.dataset))

if fail and not survey.kept and not zfs.exists(fail) then
  local errno = zfs.sync.snapshot(fail)
  if errno ~= 0 then
    return { errno = errno, name = fail }
  end
  for property, value in pairs(given.fail.properties) do
    errno = zfs.sync.set_prop(fail, property, value)
    if errno ~= 0 then
      zfs.sync.destroy(fail)
      return { errno = errno, name = fail }
    end
  end
end
return survey
`;

/** For destroy(): `{ home, names }` → `{ { gone } | { foreign } | { holds, clones, errno } … }` */
export const DESTROY = `${NAMES}
local answers = {}
for index, name in ipairs(given.names) do
  if not zfs.exists(name) then
    answers[index] = { gone = true }
  elseif zfs.get_prop(name, "hauki:home") ~= given.home then
    answers[index] = { foreign = true }
  else
    local errno = zfs.sync.destroy(name)
    if errno == 0 then
      answers[index] = { gone = true }
    else
      answers[index] = {
        errno = errno,
        holds = names(zfs.list.holds(name)),
        clones = names(zfs.list.clones(name)),
      }
    end
  end
end
return answers
`;

/** For mark(): `{ property, values = { { name, value } … } }` */
export const MARK = `
for _, one in ipairs(given.values) do
  if zfs.exists(one.name) then
    zfs.sync.set_prop(one.name, given.property, one.value)
  end
end
return true
`;

/** Whether this ZFS can do all of that: 2.1 and later. */
export const PROBE = `return zfs.sync.snapshot ~= nil and zfs.sync.set_prop ~= nil and zfs.list.holds ~= nil`;
