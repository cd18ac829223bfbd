// Which header blocks are read without http_parser, and what is read in them.
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "hooks/http/http1_head.h"

using namespace telinject;
using namespace telinject::program;

namespace {

constexpr uint64_t kNone = ~uint64_t{0};

// From a copy that ends where the bytes do, for the address sanitizer.
bool read(const std::string& text, Http1Head* head, http_parser_type type = HTTP_BOTH) {
  std::unique_ptr<uint8_t[]> copy(new uint8_t[text.size()]);
  text.copy(reinterpret_cast<char*>(copy.get()), text.size());
  return read_http1_head(copy.get(), text.size(), type, head);
}

std::string request(const std::string& fields) {
  return "GET / HTTP/1.1\r\n" + fields + "\r\n";
}

std::string response(const std::string& fields) {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE("HTTP/1 head: requests") {
  struct Case {
    const char* line;
    http_method method;
  };
  auto [line, method] =
      GENERATE(Case{"GET / HTTP/1.1", HTTP_GET}, Case{"POST /a?b=c%20d HTTP/1.0", HTTP_POST},
               Case{"HEAD /index.html HTTP/1.1", HTTP_HEAD},
               Case{"PUT /0123456789abcdef HTTP/1.1", HTTP_PUT},
               Case{"DELETE /x HTTP/1.1", HTTP_DELETE}, Case{"PATCH /x HTTP/1.1", HTTP_PATCH},
               Case{"OPTIONS /~!$&'()*+,;=:@ HTTP/1.1", HTTP_OPTIONS});
  for (const char* end : {"\r\n", "\n"}) {
    std::string text = std::string(line) + end + "Host: x" + end + end;
    Http1Head head;
    INFO(text);
    REQUIRE(read(text + "more", &head));
    CHECK(head.size == text.size());
    CHECK(head.type == HTTP_REQUEST);
    CHECK(head.method == method);
    CHECK(head.content_length == kNone);
    CHECK_FALSE(head.chunked);
    CHECK_FALSE(head.may_have_traceparent);
    CHECK(read(text, &head, HTTP_REQUEST));
    CHECK_FALSE(read(text, &head, HTTP_RESPONSE));
  }
}

TEST_CASE("HTTP/1 head: responses") {
  struct Case {
    const char* line;
    unsigned status;
  };
  auto [line, status] = GENERATE(Case{"HTTP/1.1 200 OK", 200}, Case{"HTTP/1.0 404 ", 404},
                                 Case{"HTTP/1.1 503", 503}, Case{"HTTP/1.1 299 a \x80 b", 299});
  std::string text = std::string(line) + "\r\nServer: x\r\n\r\n";
  Http1Head head;
  INFO(text);
  REQUIRE(read(text, &head));
  CHECK(head.size == text.size());
  CHECK(head.type == HTTP_RESPONSE);
  CHECK(head.status == status);
  CHECK(read(text, &head, HTTP_RESPONSE));
  CHECK_FALSE(read(text, &head, HTTP_REQUEST));
}

TEST_CASE("HTTP/1 head: where the body ends") {
  Http1Head head;
  for (const char* length : {"Content-Length: 42\r\n", "content-length:42\r\n",
                             "A: b\r\nCONTENT-LENGTH: \t42\r\nC: d\r\n"}) {
    INFO(length);
    REQUIRE(read(response(length), &head));
    CHECK(head.content_length == 42);
    CHECK_FALSE(head.chunked);
  }
  REQUIRE(read(response("Content-Length: 999999999999999999\r\n"), &head));
  CHECK(head.content_length == 999999999999999999);
  for (const char* coding : {"Transfer-Encoding: chunked\r\n", "transfer-encoding:ChunkeD\r\n"}) {
    INFO(coding);
    REQUIRE(read(request(coding), &head));
    CHECK(head.chunked);
    CHECK(head.content_length == kNone);
  }
  // Names that only look alike.
  REQUIRE(
      read(response("Content-Length-X: 1\r\nContent-Lengtx: 2\r\nX-Content-Length: 3\r\n"), &head));
  CHECK(head.content_length == kNone);
}

TEST_CASE("HTTP/1 head: a traceparent is looked for where one may be") {
  Http1Head head;
  REQUIRE(read(request("Traceparent: 00-1-2-01\r\n"), &head));
  CHECK(head.may_have_traceparent);
  REQUIRE(read(request("Host: traceparent\r\n"), &head));
  CHECK_FALSE(head.may_have_traceparent);
}

TEST_CASE("HTTP/1 head: the parser is asked") {
  const char* const text = GENERATE(
      "", "G", "GET", "GET ", "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n",
      "HTTP/1.1 200", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x",
      "GET / HTTP/1.1\r\nHost", "GET / HTTP/1.1\r\n\rx", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
      // other methods, targets, versions
      "CONNECT x:1 HTTP/1.1\r\n\r\n", "PROPFIND / HTTP/1.1\r\n\r\n", "get / HTTP/1.1\r\n\r\n",
      "GET http://x/ HTTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n",
      "GET /\x80 HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n",
      "OPTIONS * HTTP/1.1\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/1.1 2000\r\n\r\n", "HTTP/2 200\r\n\r\n",
      // fields
      "GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
      "GET / HTTP/1.1\r\nA.b: c\r\n\r\n", "GET / HTTP/1.1\r\n: b\r\n\r\n",
      "GET / HTTP/1.1\r\n no: b\r\n\r\n",
      // lengths and codings that are not plain
      "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 1 \r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length:\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 1000000000000000000\r\n\r\n",
      "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  Http1Head head;
  INFO(text);
  CHECK_FALSE(read(text, &head));
}

TEST_CASE("HTTP/1 head: wherever the lines end") {
  Http1Head head;
  for (size_t length = 0; length < 200; length++) {
    std::string fields =
        "Some-Name: " + std::string(length, 'v') + "\r\nX_1:y\nContent-Length: 7\r\n";
    std::string text = response(fields);
    INFO(length << " bytes of value");
    REQUIRE(read(text, &head));
    CHECK(head.size == text.size());
    CHECK(head.content_length == 7);
    CHECK(read(text + "\rbody\r\r\n", &head));
    CHECK(head.size == text.size());
    // Not whole, and with a '\r' that ends no line.
    for (size_t cut = 1; cut <= 4; cut++)
      CHECK_FALSE(read(text.substr(0, text.size() - cut), &head));
    std::string alone = text;
    alone.insert(text.find(':') + 1 + length / 2, "\r");
    CHECK_FALSE(read(alone, &head));
    alone = text;
    alone.insert(text.find("\r\nX_1"), "\r");
    CHECK_FALSE(read(alone, &head));
    // Names as long as that.
    text = response(std::string(length + 1, 'n') + ": v\r\nTransfer-Encoding: chunked\r\n");
    REQUIRE(read(text, &head));
    CHECK(head.size == text.size());
    CHECK(head.chunked);
    CHECK_FALSE(read(response(std::string(length + 1, 'n') + "\r\nA: b\r\n"), &head));
  }
}
