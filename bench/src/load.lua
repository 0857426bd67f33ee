-- Requests as Pub/Sub's push sends them, with the tokens of a file one after
-- the other; an empty line is a request without a token.
local requests = {}
local place = 0

function init(args)
  wrk.method = "POST"
  wrk.headers["Host"] = args[2]
  wrk.headers["User-Agent"] = "CloudPubSub-Google"
  wrk.headers["From"] = "noreply@google.com"
  wrk.headers["Accept"] = "application/json"
  wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-Forwarded-Proto"] = "https"
  wrk.headers["X-Cloud-Trace-Context"] = "105445aa7843bc8bf206b12000100000/1;o=1"
  wrk.headers["Traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
  local body = '{"message":{"data":"eyJvcmRlciI6IDQyLCAic3RhdGUiOiAicGFpZCJ9",'
    .. '"messageId":"9153407516229463","publishTime":"2024-05-14T07:51:16.113Z"},'
    .. '"subscription":"projects/demo-project/subscriptions/orders"}'
  -- args[3] says whether the requests have one.
  wrk.body = args[3] == "body" and body or ""
  for line in io.lines(args[1]) do
    wrk.headers["Authorization"] = line ~= "" and "Bearer " .. line or nil
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'figures: {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, '
      .. '"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
