-- Requests for wrk, each with the next line of the token files; after the last one it begins again, and counts that.
-- Arguments behind `--`: host, path, bytes of the body (0: a GET without), after how many answers to stop (0: never),
-- the header that gets the token, a header line that all requests have (or nothing), then the files. What follows a tab
-- in a line is the evidence.

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

local files, at, file = {}, 1, nil
local head, tail

-- Global, so that `done` can ask the thread for it.
wraps = 0

function init(args)
  local host, path, bytes, limit = args[1], args[2], tonumber(args[3]), tonumber(args[4])
  head = (bytes > 0 and "POST " or "GET ") .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n"
  if bytes > 0 then head = head .. "Content-Length: " .. bytes .. "\r\n" end
  if args[6] ~= "" then head = head .. args[6] .. "\r\n" end
  head = head .. args[5] .. ": "
  tail = "\r\n\r\n" .. string.rep("x", bytes)
  for i = 7, #args do files[#files + 1] = args[i] end
  file = assert(io.open(files[1]))
  if limit > 0 then stopAfter(limit) end
end

-- wrk would sit out its seconds: so this ends it, with what it knows itself.
function stopAfter(limit)
  local answers, refusals = 0, 0
  response = function(status)
    answers = answers + 1
    if status > 399 then refusals = refusals + 1 end
    if answers < limit then return end
    report(answers, 0, refusals, 0, 0, 0, 0, wraps)
    io.stdout:flush()
    os.exit(0)
  end
end

function request()
  local line = file:read()
  while line == nil do
    file:close()
    at = at + 1
    if at > #files then
      at = 1
      wraps = wraps + 1
    end
    file = assert(io.open(files[at]))
    line = file:read()
  end
  return head .. line:gsub("\t", "\r\nX-Onbehalf-Via: ") .. tail
end

function report(...)
  print(string.format(
    "bench requests=%d duration_us=%d status=%d connect=%d read=%d write=%d timeout=%d wraps=%d", ...
  ))
end

function done(summary)
  local errors = summary.errors
  report(
    summary.requests, summary.duration, errors.status, errors.connect, errors.read, errors.write, errors.timeout,
    threads[1]:get("wraps")
  )
end
