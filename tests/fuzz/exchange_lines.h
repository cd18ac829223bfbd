// The events of an exchange that was read from digests, encoded.
#pragma once

#include <string>
#include <string_view>

#include "shim/channel/http_message.h"
#include "shim/events/json/event_encoder.h"
#include "shim/http/exchange_events.h"
#include "tests/fuzz/events.h"

namespace telinject::fuzz {

// Fields as a digest has them. Any of them may be empty.
inline void check_exchange(std::string_view request, std::string_view response,
                           std::string_view trailers, bool http2) {
  HttpExchange exchange;
  exchange.http2 = http2;
  exchange.role = request.size() % 2 == 0 ? HttpRole::kClient : HttpRole::kServer;
  exchange.end = HttpEnd::kComplete;
  if (!read_request(request, HttpConnection(), &exchange)) return;
  read_response(response, &exchange);
  read_trailers(trailers, request.size() % 3 == 0, &exchange);
  LineBuffer lines(1 << 20);
  EventEncoder encoder(&lines);
  ProcessJson process = {",\"sample_rate\":1.0", ",\"service\":{}}\n"};
  ExchangeEvents made;
  SpanStart start;
  start.place = {1, 1, {1, 2}, 3, 0};
  start.operation = &made.request(exchange);
  encoder.start(start, "\"thread_id\":1", process);
  SpanEnd end;
  end.place = {2, 2, {1, 2}, 3, 4};
  end.operation = &made.response(exchange, 1, -1, 0);
  end.severity = made.severity();
  end.error = made.error();
  encoder.end(end, "\"thread_id\":1", process);
  check_events(lines.text(), [](const json&) {});
}

}  // namespace telinject::fuzz
