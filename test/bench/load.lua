-- Requests for wrk, each with the next line of the token files; after the last one it begins again, and counts that.
-- Arguments behind `--`: host, then the files.

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

local files, at, file = {}, 1, nil
local head

-- Global, so that `done` can ask the thread for it.
wraps = 0

function init(args)
  head = "GET / HTTP/1.1\r\nHost: " .. args[1] .. "\r\nX-Pomerium-Jwt-Assertion: "
  for i = 2, #args do files[#files + 1] = args[i] end
  file = assert(io.open(files[1]))
end

function request()
  local token = file:read()
  while token == nil do
    file:close()
    at = at + 1
    if at > #files then
      at = 1
      wraps = wraps + 1
    end
    file = assert(io.open(files[at]))
    token = file:read()
  end
  return head .. token .. "\r\n\r\n"
end

function done(summary)
  local errors = summary.errors
  print(string.format(
    "bench requests=%d duration_us=%d connect=%d read=%d write=%d timeout=%d status=%d wraps=%d",
    summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.timeout, errors.status,
    threads[1]:get("wraps")
  ))
end
