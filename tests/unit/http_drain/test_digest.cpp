// Nothing raw leaves the digester.
#include <catch2/catch.hpp>

#include "http_program.h"
#include "shim/http/digest.h"
#include "shim/http/fields.h"

namespace telinject::test::digest_test {
using namespace drain;

namespace {

template <typename Head>
LaneMessage message(MessageType type, const Head& head, const std::string& tail) {
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  return {1, 0, 64, 1000, type, bytes + tail};
}

std::vector<LaneMessage> digest(HttpDigester* digester, LaneMessage in) {
  std::vector<LaneMessage> out;
  digester->take(std::move(in), &out);
  return out;
}

HttpHeadersMessage block_head(uint32_t sequence, const std::string& block, uint16_t flags = 0) {
  HttpHeadersMessage head = {};
  head.connection = 1;
  head.stream = 2 * sequence + 1;
  head.sequence = sequence;
  head.flags = flags;
  head.block_bytes = static_cast<uint16_t>(block.size());
  return head;
}

template <typename Head>
Head head_of(const LaneMessage& message) {
  Head head;
  REQUIRE(message.bytes.size() >= sizeof head);
  std::memcpy(&head, message.bytes.data(), sizeof head);
  return head;
}

}  // namespace

TEST_CASE("a program cannot pass a raw block off as a digest") {
  HttpDigester digester;
  HttpRequestMessage head = {};
  std::string block = get("/", "Cookie: SECRET\r\n");
  head.flags = kHttpDigest | kHttpUndecoded;
  head.header_bytes = static_cast<uint16_t>(block.size());
  auto out = digest(&digester, message(MessageType::kHttpRequest, head, block));
  REQUIRE(out.size() == 1);
  CHECK(out[0].bytes.find("SECRET") == std::string::npos);
  std::string_view fields = std::string_view(out[0].bytes).substr(sizeof(HttpRequestMessage));
  CHECK(find_field(fields, ":method") == "GET");
  CHECK(find_field(fields, "cookie") == "REDACTED");
}

TEST_CASE("secrets are gone from every kind of message") {
  HttpDigester digester;
  std::string secret = "SECRET";
  std::string url = "http://user:SECRET@h/?token=SECRET";
  std::vector<LaneMessage> all;
  HttpRequestMessage request = {};
  std::string block = "GET " + url + " HTTP/1.1\r\nHost: a:SECRET@h\r\nReferer: " + url +
                      "\r\nAuthorization: SECRET\r\nCookie: a\r\n SECRET\r\n";
  request.header_bytes = static_cast<uint16_t>(block.size());
  all.push_back(message(MessageType::kHttpRequest, request, block));
  request.flags = kHttpTrailers;
  all.push_back(message(MessageType::kHttpRequest, request, "X-Token: SECRET\r\n"));
  HttpResponseMessage response = {};
  std::string answer = "HTTP/1.1 200 OK\r\nSet-Cookie: SECRET\r\nLocation: " + url + "\r\n";
  response.header_bytes = static_cast<uint16_t>(answer.size());
  all.push_back(message(MessageType::kHttpResponse, response, answer));
  response.flags = kHttpTrailers;
  all.push_back(message(MessageType::kHttpResponse, response, "X-Token: SECRET\r\n"));
  HttpTransferMessage transfer = {};
  transfer.url_bytes = static_cast<uint16_t>(url.size());
  all.push_back(message(MessageType::kHttpTransfer, transfer, url + "SECRET behind it"));
  HttpTransferEndMessage end = {};
  end.url_bytes = end.error_bytes = static_cast<uint16_t>(url.size());
  all.push_back(message(MessageType::kHttpTransferEnd, end, url + url));
  Deflater out;
  std::string fields = out.block({{":method", "GET"},
                                  {":path", "/?token=SECRET"},
                                  {":authority", "u:SECRET@h"},
                                  {"cookie", "SECRET"},
                                  {"cookie", "SECRET"}});
  all.push_back(message(MessageType::kHttpHeaders, block_head(0, fields), fields));
  size_t told = 0;
  for (LaneMessage& each : all) {
    for (const LaneMessage& digested : digest(&digester, std::move(each))) {
      told++;
      INFO(static_cast<int>(digested.type) << " " << digested.bytes);
      CHECK(digested.bytes.find(secret) == std::string::npos);
    }
  }
  CHECK(told >= 5);
}

TEST_CASE("a block that cannot be read is told to be so, and those after it") {
  HttpDigester digester;
  std::string bad(20, '\xff');
  auto out = digest(&digester, message(MessageType::kHttpHeaders, block_head(0, bad), bad));
  REQUIRE(out.size() == 1);
  CHECK((head_of<HttpHeadersMessage>(out[0]).flags & kHttpUndecoded) != 0);
  Deflater good;
  std::string block = good.block({{":method", "GET"}});
  out = digest(&digester, message(MessageType::kHttpHeaders, block_head(1, block), block));
  REQUIRE(out.size() == 1);
  CHECK((head_of<HttpHeadersMessage>(out[0]).flags & kHttpUndecoded) != 0);
  CHECK(out[0].bytes.size() == sizeof(HttpHeadersMessage));
  // The other direction is one of its own.
  out = digest(&digester,
               message(MessageType::kHttpHeaders, block_head(0, block, kHttpFromPeer), block));
  CHECK((head_of<HttpHeadersMessage>(out[0]).flags & kHttpUndecoded) == 0);
}

TEST_CASE("blocks that wait for one that cannot be read are told, too") {
  HttpDigester digester;
  std::string block = Deflater().block({{":method", "GET"}}), bad(20, '\xff');
  for (uint32_t sequence : {1, 2, 4}) {
    CHECK(digest(&digester, message(MessageType::kHttpHeaders, block_head(sequence, block), block))
              .empty());
  }
  auto out = digest(&digester, message(MessageType::kHttpHeaders, block_head(0, bad), bad));
  REQUIRE(out.size() == 4);
  for (const LaneMessage& each : out) {
    CHECK((head_of<HttpHeadersMessage>(each).flags & kHttpUndecoded) != 0);
  }
  // A number that was there already.
  HttpDigester other;
  digest(&other, message(MessageType::kHttpHeaders, block_head(1, block), block));
  out = digest(&other, message(MessageType::kHttpHeaders, block_head(1, block), block));
  CHECK(out.size() == 2);
}

TEST_CASE("what is held and followed is bounded") {
  HttpDigester digester;
  std::string block = Deflater().block({{":method", "GET"}});
  for (uint64_t i = 0; i < 3 * HttpDigester::kMaxConnections; i++) {
    HttpHeadersMessage head = block_head(0, block);
    head.connection = i;
    digest(&digester, message(MessageType::kHttpHeaders, head, block));
  }
  CHECK(digester.connections() <= HttpDigester::kMaxConnections);
  // A digest is small, however much a block decodes to.
  Deflater large;
  std::string first = large.block({{"x-large", std::string(3000, 'v')}});
  digest(&digester, message(MessageType::kHttpHeaders, block_head(0, first), first));
  std::vector<std::pair<std::string, std::string>> many(4000, {"x-large", std::string(3000, 'v')});
  std::string second = large.block(many);
  CHECK(second.size() < 16000);
  auto out = digest(&digester, message(MessageType::kHttpHeaders, block_head(1, second), second));
  REQUIRE(out.size() == 1);
  CHECK(out[0].bytes.size() < sizeof(HttpHeadersMessage) + kMaxFieldsBytes + 1);
  digester.forget(1);
  CHECK(digester.connections() == 0);
}

TEST_CASE("a connection's state lives until all of its blocks have come") {
  HttpDigester digester;
  Deflater out;
  std::string first = out.block({{":method", "GET"}, {"x", "y"}}),
              second = out.block({{":method", "GET"}, {"x", "y"}});
  HttpEndMessage end = {};
  end.connection = 1;
  end.reason = HttpEndReason::kClosed;
  end.sent_blocks = 2;
  digest(&digester, message(MessageType::kHttpHeaders, block_head(0, first), first));
  REQUIRE(digest(&digester, message(MessageType::kHttpEnd, end, "")).size() == 1);
  CHECK(digester.connections() == 1);
  auto told = digest(&digester, message(MessageType::kHttpHeaders, block_head(1, second), second));
  REQUIRE(told.size() == 1);
  CHECK((head_of<HttpHeadersMessage>(told[0]).flags & kHttpUndecoded) == 0);
  CHECK(digester.connections() == 0);
}

TEST_CASE("of a connection that was given up nothing waits") {
  HttpDigester digester;
  std::string block = Deflater().block({{":method", "GET"}});
  std::vector<LaneMessage> told;
  for (uint64_t i = 0; i <= HttpDigester::kMaxConnections; i++) {
    HttpHeadersMessage head = block_head(i == 0 ? 1 : 0, block);  // the first waits
    head.connection = i;
    told = digest(&digester, message(MessageType::kHttpHeaders, head, block));
    CHECK(told.size() == (i == 0 ? 0 : i == HttpDigester::kMaxConnections ? 2 : 1));
  }
  CHECK((head_of<HttpHeadersMessage>(told[0]).flags & kHttpUndecoded) != 0);
  HttpHeadersMessage head = block_head(5, block);
  head.connection = 0;
  told = digest(&digester, message(MessageType::kHttpHeaders, head, block));
  REQUIRE(told.size() == 1);
  CHECK((head_of<HttpHeadersMessage>(told[0]).flags & kHttpUndecoded) != 0);
  CHECK(digester.connections() <= HttpDigester::kMaxConnections);
}

}  // namespace telinject::test::digest_test
