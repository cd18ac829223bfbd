// What an answer does to the items that it is about.
#include "tests/unit/delivery/dispatch_line.h"

namespace telinject::test::dispatch_answers_test {

TEST_CASE("everything that may pass is sent again, and arrives once") {
  Line line;
  HttpResponse failure =
      GENERATE(status(429), status(502), status(503), status(504),
               failed(HttpFailure::kNotSent, "refused"), failed(HttpFailure::kTimeout, "no answer"),
               failed(HttpFailure::kTls, "certificate"), failed(HttpFailure::kBroken, "reset"));
  line.make().add(items(0, 100), line.now);
  int asked = 0;
  auto bodies =
      line.play([&](const std::string&) { return asked++ % 3 == 2 ? status(200) : failure; });
  CHECK(split(bodies).size() == 100);
  CHECK(line.dispatch->totals().sent == 100);
  CHECK(line.dispatch->totals().lost() == 0);
  CHECK(line.told.empty());
}

TEST_CASE("Retry-After is followed, thirty seconds at most") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 8), line.now);
  auto [value, wait] = GENERATE(table<const char*, std::chrono::seconds>(
      {{"7", 7s}, {"0", 0s}, {"3600", 30s}, {"Thu, 01 Jan 1970 00:00:09 GMT", 9s}}));
  line.answer(*line.next(), status(GENERATE(429, 503), "", value));
  CHECK(dispatch.next_at() == line.now + wait);
}

TEST_CASE("what is too large is halved, down to one item, which is dropped") {
  Line line;
  line.make().add(items(0, 64), line.now);
  auto too_large = GENERATE(status(413), status(400, "http: request body too large"),
                            failed(HttpFailure::kStreamRefused, "stream"));
  auto bodies = line.play([&](const std::string& body) {
    bool poison = body.find("13;") == 0 || body.find(";13;") != std::string::npos;
    return body.size() > 8 || poison ? too_large : status(200);
  });
  CHECK(split(bodies).size() == 63);
  CHECK(split(bodies).count("13") == 0);
  CHECK(line.dispatch->totals().oversize == 1);
  CHECK(line.dispatch->totals().sent == 63);
  REQUIRE(line.told.size() == 1);
  CHECK(line.told[0].find("too large for the receiver") != std::string::npos);
}

TEST_CASE("other answers are never tried again") {
  Line line;
  line.make().add(items(0, 24), line.now);
  int code = GENERATE(400, 302, 415, 500, 501, 599);
  int asked = 0;
  auto bodies =
      line.play([&](const std::string&) { return asked++ == 1 ? status(code) : status(200); });
  CHECK(asked == 3);
  CHECK(line.dispatch->totals().rejected == 8);
  CHECK(line.dispatch->totals().sent == 16);
  CHECK(line.told.size() == 1);
}

TEST_CASE("401, 403 and 404 stop the endpoint; the rest is counted; secrets are not told") {
  Line line;
  line.endpoint.headers = {"Authorization: Splunk 11111111-aaaa"};
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 100), line.now);
  auto first = *line.next(), second = *line.next();
  int code = GENERATE(401, 403, 404);
  line.answer(first, status(code, "no 11111111-aaaa\x1b[31m for password1, verysecret\n"));
  CHECK(dispatch.stopped());
  CHECK_FALSE(line.next().has_value());
  line.answer(second, status(code, "again"));
  dispatch.add(items(100, 110), line.now);
  CHECK(dispatch.idle());
  CHECK(dispatch.totals().rejected == 110);
  CHECK(dispatch.totals().waiting == 0);
  REQUIRE(line.told.size() == 1);
  CHECK(
      line.told[0].starts_with("test http://host:1/path: status " + std::to_string(code) +
                               ": \"no REDACTED\\x1b[31m for REDACTED, REDACTED\"; sending stops"));
}

TEST_CASE("what was accepted before the endpoint stopped counts as sent") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 40), line.now);
  std::vector<Dispatch::Request> requests;
  while (auto request = line.next()) requests.push_back(*request);
  line.answer(requests[0], status(401));
  line.answer(requests[1], status(200));
  line.answer(requests[2], status(200, "again 1 5"));
  line.answer(requests[3], status(503));
  CHECK(dispatch.idle());
  CHECK(dispatch.totals().sent == 14);
  CHECK(dispatch.totals().rejected == 26);
}

TEST_CASE("a stream that is reset is no proof that one item is too large") {
  Line line;
  line.make().add(items(0, 1), line.now);
  int asked = 0;
  line.play([&](const std::string&) {
    return asked++ < 3 ? failed(HttpFailure::kStreamRefused, "reset") : status(200);
  });
  CHECK(line.dispatch->totals().sent == 1);
  CHECK(line.dispatch->totals().oversize == 0);
}

TEST_CASE("an answer that is late is a loss where items may not come twice") {
  Line line;
  line.endpoint.retry_timeouts = false;
  line.make().add(items(0, 16), line.now);
  int asked = 0;
  line.play([&](const std::string&) {
    asked++;
    if (asked == 1) return failed(HttpFailure::kTimeout, "no answer within 500 ms");
    return asked == 2 ? failed(HttpFailure::kNotSent, "refused") : status(200);
  });
  CHECK(asked == 3);
  CHECK(line.dispatch->totals().timeout == 8);
  CHECK(line.dispatch->totals().sent == 8);
}

TEST_CASE("a success that is partly none is counted and told once") {
  Line line;
  line.make().add(items(0, 32), line.now);
  line.play([&](const std::string&) { return status(200, "rejected 3"); });
  CHECK(line.dispatch->totals().rejected == 12);
  CHECK(line.dispatch->totals().sent == 20);
  CHECK(line.told.size() == 1);
}

TEST_CASE("a receiver that rejects more than it got is believed as far as that goes") {
  Line line;
  line.make().add(items(0, 8), line.now);
  line.play([&](const std::string&) { return status(200, "rejected 4000000000"); });
  CHECK(line.dispatch->totals().rejected == 8);
  CHECK(line.dispatch->totals().sent == 0);
  CHECK(line.dispatch->totals().waiting == 0);
}

TEST_CASE("items that the receiver could not take now are sent again, alone") {
  Line line;
  line.make().add(items(0, 8), line.now);
  std::vector<std::string> bodies;
  line.play([&](const std::string& body) {
    bodies.push_back(body);
    return status(200, bodies.size() == 1 ? "again 1 5 9" : "");
  });
  CHECK(bodies == std::vector<std::string>{"0;1;2;3;4;5;6;7;", "1;5;"});
  CHECK(line.dispatch->totals().sent == 8);
}

TEST_CASE("an answer whose body is endless, or breaks off, counts by its status") {
  Line line;
  line.make().add(items(0, 16), line.now);
  HttpResponse large = status(200, std::string(1000, 'x'));
  large.failure = HttpFailure::kTooLarge;
  HttpResponse broken = status(200);
  broken.failure = GENERATE(HttpFailure::kBroken, HttpFailure::kTimeout);
  int asked = 0;
  line.play([&](const std::string&) { return asked++ == 0 ? large : broken; });
  CHECK(line.dispatch->totals().sent == 16);
  CHECK(asked == 2);
}

TEST_CASE("loss is told when it begins and when it ends") {
  Line line;
  Dispatch& dispatch = line.make();
  auto one = [&](int code) {
    dispatch.add(items(0, 8), line.now);
    line.answer(*line.next(), status(code));
  };
  one(200);
  CHECK(line.told.empty());
  one(400), one(400), one(200);
  REQUIRE(line.told.size() == 1);
  CHECK(line.told[0] ==
        "test http://host:1/path: losing events, 8 so far: refused by the receiver (status "
        "400); they are counted, and the program runs on");
  line.now += 11s;
  one(200), one(200);
  REQUIRE(line.told.size() == 2);
  CHECK(line.told[1] ==
        "test http://host:1/path: events are no longer lost; 16 were lost (rejected 16)");
  one(500);
  CHECK(line.told.size() == 3);
  dispatch.end();
  CHECK(line.told.size() == 4);
}

}  // namespace telinject::test::dispatch_answers_test
