-- The request of ./dev bench: wrk -s post.lua URL -- BODY_FILE. Counts what was not 200 or did not have the answer's text, per thread.
local threads = {}

function setup(thread)
	thread:set("wrong", 0)
	table.insert(threads, thread)
end

function init(args)
	local file = assert(io.open(args[1], "r"))
	wrk.method = "POST"
	wrk.body = file:read("*a")
	wrk.headers["content-type"] = "application/json"
	wrk.headers["authorization"] = "Bearer none"
	file:close()
	expected = args[2]
	pause = tonumber(args[3] or "0")
	owed = 0
	seen = 0
	if pause <= 0 then delay = nil end
end

-- Whole milliseconds between an answer and the next request; what is cut off is owed to the next one.
function delay()
	owed = owed + pause
	local ms = math.floor(owed)
	owed = owed - ms
	return ms
end

-- Every answer's status is looked at; of the bodies one in sixteen, so that wrk stays cheaper than what it measures.
function response(status, headers, body)
	seen = seen + 1
	if status ~= 200 or (seen % 16 == 0 and not string.find(body, expected, 1, true)) then
		wrong = wrong + 1
	end
end

function done(summary, latency, requests)
	local wrong = 0
	for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong") end
	local e = summary.errors
	io.write(string.format("RESULT %d %d %d %.0f %.0f\n", summary.requests, wrong,
		e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
