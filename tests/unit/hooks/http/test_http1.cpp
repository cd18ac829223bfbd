// HTTP/1: which messages there are, whatever way their bytes are cut.
#include <catch2/catch.hpp>

#include "unit/hooks/http/heard.h"

using namespace telinject;
using namespace telinject::program;
using heard::cut;
using heard::g_lines;
using heard::Passing;
using heard::text;
using heard::Wire;

namespace {

constexpr Way kSent = Way::kSent, kReceived = Way::kReceived;

struct Case {
  const char* name;
  std::vector<Passing> conversation;
  std::string wanted;
};

std::string repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; i++) all += text;
  return all;
}

const Case kCases[] = {
    {"a body of known length",
     {{kSent, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"}},
     "> request 1 POST /a HTTP/1.1|Host: x|Content-Length: 5|\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 3|\n"
     "= end complete 1 sent 5 received 3\n"},
    {"a server's side",
     {{kReceived, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {kSent, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"}},
     "< request 1 GET / HTTP/1.1|Host: x|\n"
     "> response 1 HTTP/1.1 404 Not Found|Content-Length: 2|\n"
     "= end complete 1 sent 2 received 0\n"},
    {"chunks, extensions and trailers",
     {{kSent,
       "PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
       "5;x=y\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\nC: d\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n"}},
     "> request 1 PUT /c HTTP/1.1|Transfer-Encoding: chunked|\n"
     "> request trailers 1 A: b|C: d|\n"
     "< response 1 HTTP/1.1 200 OK|transfer-encoding: CHUNKED|\n"
     "= end complete 1 sent 21 received 1\n"},
    {"keep-alive",
     {{kSent, "GET /1 HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
      {kSent, "GET /2 HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n22"}},
     "> request 1 GET /1 HTTP/1.1|\n< response 1 HTTP/1.1 200 OK|Content-Length: 1|\n"
     "= end complete 1 sent 0 received 1\n"
     "> request 2 GET /2 HTTP/1.1|\n< response 2 HTTP/1.1 200 OK|Content-Length: 2|\n"
     "= end complete 2 sent 0 received 2\n"},
    {"pipelining, with HEAD among them",
     {{kSent, "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"},
      {kReceived,
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
       "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
       "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n333"}},
     "> request 1 GET /1 HTTP/1.1|\n> request 2 HEAD /2 HTTP/1.1|\n> request 3 GET /3 HTTP/1.1|\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 1|\n= end complete 1 sent 0 received 1\n"
     "< response 2 HTTP/1.1 200 OK|Content-Length: 1000|\n= end complete 2 sent 0 received 0\n"
     "< response 3 HTTP/1.1 200 OK|Content-Length: 3|\n= end complete 3 sent 0 received 3\n"},
    {"100 Continue, 103 Early Hints",
     {{kSent, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"},
      {kReceived, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"},
      {kSent, "ab"},
      {kReceived, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"}},
     "> request 1 POST / HTTP/1.1|Expect: 100-continue|Content-Length: 2|\n"
     "< response interim 1 HTTP/1.1 100 Continue|\n"
     "< response interim 1 HTTP/1.1 103 Early Hints|Link: a|\n"
     "< response 1 HTTP/1.1 201 Created|Content-Length: 0|\n"
     "= end complete 1 sent 2 received 0\n"},
    {"204 and 304 have no body, whatever they say",
     {{kSent, "GET /1 HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"},
      {kSent, "DELETE /2 HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 204 No Content\r\n\r\n"}},
     "> request 1 GET /1 HTTP/1.1|\n< response 1 HTTP/1.1 304 Not Modified|Content-Length: 77|\n"
     "= end complete 1 sent 0 received 0\n"
     "> request 2 DELETE /2 HTTP/1.1|\n< response 2 HTTP/1.1 204 No Content|\n"
     "= end complete 2 sent 0 received 0\n"},
    {"101 to something else",
     {{kSent, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
      {kReceived, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"},
      {kSent, "GET / HTTP/1.1\r\n\r\n"}},
     "> request 1 GET /chat HTTP/1.1|Upgrade: websocket|Connection: Upgrade|\n"
     "< response 1 HTTP/1.1 101 Switching Protocols|Upgrade: websocket|\n"
     "= end upgraded 1 sent 0 received 0\n"},
    {"an upgrade to HTTP/2: the request is its stream 1",
     {{kSent, "POST /u HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab"},
      {kReceived,
       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" +
           std::string("\0\0\0\4\0\0\0\0\0", 9)},
      {kSent, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9)},
      {kReceived, std::string("\0\0\1\1\4\0\0\0\1z\0\0\3\0\1\0\0\0\1abc", 22)},
      {kSent, std::string("\0\0\1\1\5\0\0\0\3y", 10)}},
     "> request 1 POST /u HTTP/1.1|Upgrade: h2c|Content-Length: 2|\n"
     "< response interim 1 HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: h2c|\n"
     "= end upgraded 1 stream 1 sent 2 received 0\n"
     "< headers 1 #0 z\n< end complete stream 1 sent 0 received 3\n"
     "> headers 3 opens ends #0 y\n> end complete stream 3 sent 0 received 0\n"
     "= end closed sent 0 received 0\n"},
    {"an upgrade to HTTP/2 before the request is over",
     {{kSent, "POST /u HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\nab"},
      {kReceived, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"}},
     "> request 1 POST /u HTTP/1.1|Upgrade: h2c|Content-Length: 9|\n"
     "< response 1 HTTP/1.1 101 Switching Protocols|Upgrade: h2c|\n"
     "= end upgraded 1 sent 2 received 0\n"},
    {"an upgrade that the server does not take",
     {{kSent, "GET /1 HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
      {kSent, "GET /2 HTTP/1.1\r\n\r\n"}},
     "> request 1 GET /1 HTTP/1.1|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 1|\n= end complete 1 sent 0 received 1\n"
     "> request 2 GET /2 HTTP/1.1|\n= end closed 2 sent 0 received 0\n"},
    {"a tunnel, and HTTP through it",
     {{kSent, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n"},
      {kSent, "GET /in HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"}},
     "> request 1 CONNECT a:80 HTTP/1.1|Host: a:80|\n"
     "< response 1 HTTP/1.1 200 Connection established|Content-Length: 9|\n"
     "= end upgraded 1 sent 0 received 0\n"
     "> request 2 GET /in HTTP/1.1|\n< response 2 HTTP/1.1 200 OK|Content-Length: 1|\n"
     "= end complete 2 sent 0 received 1\n"},
    {"a tunnel that is refused",
     {{kSent, "CONNECT a:80 HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno"},
      {kSent, "CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n"}},
     "> request 1 CONNECT a:80 HTTP/1.1|\n"
     "< response 1 HTTP/1.1 407 Proxy Authentication Required|Content-Length: 2|\n"
     "= end complete 1 sent 0 received 2\n"
     "> request 2 CONNECT a:80 HTTP/1.1|Proxy-Authorization: x|\n"
     "= end closed 2 sent 0 received 0\n"},
    {"line feeds alone, and HTTP/1.0",
     {{kSent, "GET / HTTP/1.0\nHost: x\n\n"},
      {kReceived, "HTTP/1.0 200 OK\nContent-Length: 1\n\nx"}},
     "> request 1 GET / HTTP/1.0|Host: x|\n< response 1 HTTP/1.0 200 OK|Content-Length: 1|\n"
     "= end complete 1 sent 0 received 1\n"},
    {"an answer that comes before all was asked",
     {{kSent, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"},
      {kReceived, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"}},
     "> request 1 POST / HTTP/1.1|Content-Length: 9|\n"
     "< response 1 HTTP/1.1 413 Too Large|Content-Length: 0|\n"
     "= end complete 1 sent 3 received 0\n"},
    {"what is no HTTP any more",
     {{kSent, "GET / HTTP/1.1\r\n\r\n"}, {kReceived, "HTTP/1.1 2x0 OK\r\n\r\n"}},
     "> request 1 GET / HTTP/1.1|\n= end unparsed 1 sent 0 received 0\n"},
    {"methods that are tokens and no more",
     {{kSent, "QUERY /q HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
      {kSent, "get /l HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"},
      {kSent, "!#$%&'*+-.^_`|~9aZ /x HTTP/1.1\r\n\r\nGET /p HTTP/1.1\r\n\r\n"},
      {kReceived,
       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}},
     "> request 1 QUERY /q HTTP/1.1|Content-Length: 2|\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 1|\n= end complete 1 sent 2 received 1\n"
     "> request 2 get /l HTTP/1.1|\n< response 2 HTTP/1.1 405 No|Content-Length: 0|\n"
     "= end complete 2 sent 0 received 0\n"
     "> request 3 !#$%&'*+-.^_`|~9aZ /x HTTP/1.1|\n> request 4 GET /p HTTP/1.1|\n"
     "< response 3 HTTP/1.1 200 OK|Content-Length: 0|\n= end complete 3 sent 0 received 0\n"
     "< response 4 HTTP/1.1 200 OK|Content-Length: 0|\n= end complete 4 sent 0 received 0\n"},
    {"methods that begin like others, and a long one",
     {{kSent,
       "HEADER /1 HTTP/1.1\r\n\r\nCONNECTOR /2 HTTP/1.1\r\n\r\nHTTP /3 HTTP/1.1\r\n\r\n"
       "BASELINE-CONTROL-AND-VERY-MUCH-MORE /4 HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n22"}},
     "> request 1 HEADER /1 HTTP/1.1|\n> request 2 CONNECTOR /2 HTTP/1.1|\n"
     "> request 3 HTTP /3 HTTP/1.1|\n"
     "> request 4 BASELINE-CONTROL-AND-VERY-MUCH-MORE /4 HTTP/1.1|\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 1|\n= end complete 1 sent 0 received 1\n"
     "< response 2 HTTP/1.1 200 OK|Content-Length: 2|\n= end complete 2 sent 0 received 2\n"
     "= end closed 3 sent 0 received 0\n= end closed 4 sent 0 received 0\n"},
    {"HEAD and CONNECT where the parser reads them",
     {{kSent, "HEAD http://a/ HTTP/1.1\r\nX:\r\n y\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX:\r\n\ty\r\n\r\n"},
      {kSent, "CONNECT [::1]:443 HTTP/1.1\r\nX:\r\n y\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nGET no HTTP"}},
     "> request 1 HEAD http://a/ HTTP/1.1|X:| y|\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 1000|X:|?y|\n"
     "= end complete 1 sent 0 received 0\n"
     "> request 2 CONNECT [::1]:443 HTTP/1.1|X:| y|\n"
     "< response 2 HTTP/1.1 200 OK|Content-Length: 5|\n= end upgraded 2 sent 0 received 0\n"},
    {"targets of every form, and blanks between the parts",
     {{kSent,
       "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\nGET  http://a:1/b?c   HTTP/1.1\r\n\r\n"
       "GET //x/;y=\"{}|\xc3\xa4 HTTP/1.1\r\n\r\n"},
      {kReceived,
       "HTTP/1.1  200\r\nContent-Length:0\r\n\r\nHTTP/1.1 200 \nContent-Length:\t0 \n\n"}},
     "> request 1 OPTIONS * HTTP/1.1|Host: x|\n> request 2 GET  http://a:1/b?c   HTTP/1.1|\n"
     "> request 3 GET //x/;y=\"{}|?? HTTP/1.1|\n"
     "< response 1 HTTP/1.1  200|Content-Length:0|\n= end complete 1 sent 0 received 0\n"
     "< response 2 HTTP/1.1 200 |Content-Length:?0 |\n= end complete 2 sent 0 received 0\n"
     "= end closed 3 sent 0 received 0\n"},
    {"the same Content-Length more than once",
     {{kSent, "POST /1 HTTP/1.1\r\nContent-Length: 3\r\nX: y\r\nContent-Length: 3\r\n\r\nabc"},
      {kReceived,
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length:2\r\nContent-Length: 2\r\n\r\nab"},
      {kSent, "POST /2 HTTP/1.1\r\nContent-Length: 3, 3\r\nX: y\r\n\r\nabc"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 1,1 , 1\r\nContent-Length: 1\r\n\r\na"},
      {kSent, "GET /3 HTTP/1.1\r\n\r\n"}},
     "> request 1 POST /1 HTTP/1.1|Content-Length: 3|X: y|Content-Length: 3|\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 2|content-length:2|Content-Length: 2|\n"
     "= end complete 1 sent 3 received 2\n"
     "> request 2 POST /2 HTTP/1.1|Content-Length: 3, 3|X: y|\n"
     "< response 2 HTTP/1.1 200 OK|Content-Length: 1,1 , 1|Content-Length: 1|\n"
     "= end complete 2 sent 3 received 1\n"
     "> request 3 GET /3 HTTP/1.1|\n= end closed 3 sent 0 received 0\n"},
    {"Content-Length that contradicts itself",
     {{kSent, "POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"}},
     "> request 1 POST /1 HTTP/1.1|Content-Length: 3|\n= end unparsed 1 sent 3 received 0\n"},
    {"Content-Length beside chunks: they win",
     {{kSent,
       "POST /1 HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
       "1\r\na\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"},
      {kReceived,
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 4\r\n"
       "Content-Length: 4\r\n\r\n0\r\n\r\n"}},
     "> request 1 POST /1 HTTP/1.1|Content-Length: 9|Transfer-Encoding: chunked|\n"
     "> request 2 GET /2 HTTP/1.1|\n"
     "< response 1 HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked|Content-Length: 4|"
     "Content-Length: 4|\n= end complete 1 sent 1 received 0\n= end closed 2 sent 0 received 0\n"},
    {"chunks as they may come: line feeds alone, blanks, extensions, zeros",
     {{kSent,
       "PUT /c HTTP/1.1\nTransfer-Encoding: chunked\n\n"
       "5\nhello\n000a ;n=v;q=\"a;b\"\n0123456789\n0\nA: b\n c\n\nGET /2 HTTP/1.1\n\n"},
      {kReceived,
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA \t\r\n0123456789\r\n"
       "00;last\r\nX-Y : z\r\n\r\n"}},
     "> request 1 PUT /c HTTP/1.1|Transfer-Encoding: chunked|\n"
     "> request trailers 1 A: b| c|\n> request 2 GET /2 HTTP/1.1|\n"
     "< response 1 HTTP/1.1 200 OK|Transfer-Encoding: chunked|\n"
     "< response trailers 1 X-Y : z|\n= end complete 1 sent 15 received 10\n"
     "= end closed 2 sent 0 received 0\n"},
    {"what is no chunk",
     {{kSent, "GET / HTTP/1.1\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}},
     "> request 1 GET / HTTP/1.1|\n< response 1 HTTP/1.1 200 OK|Transfer-Encoding: chunked|\n"
     "= end unparsed 1 sent 0 received 0\n"},
    {"a run of interim responses, and HTTP/1.0 kept alive",
     {{kSent, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
      {kReceived,
       "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
       "HTTP/1.1 199 x\r\nContent-Length: 7\r\n\r\n"
       "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na"},
      {kSent, "\r\n\r\nGET /2 HTTP/1.0\r\n\r\n"}},
     "> request 1 GET /1 HTTP/1.0|Connection: keep-alive|\n"
     "< response interim 1 HTTP/1.1 102 Processing|\n"
     "< response interim 1 HTTP/1.1 103 Early Hints|\n"
     "< response interim 1 HTTP/1.1 199 x|Content-Length: 7|\n"
     "< response 1 HTTP/1.0 200 OK|Connection: keep-alive|Content-Length: 1|\n"
     "= end complete 1 sent 0 received 1\n"
     "> request 2 GET /2 HTTP/1.0|\n= end closed 2 sent 0 received 0\n"},
    {"a header block beyond the bound",
     {{kSent, "GET / HTTP/1.1\r\nA: " + std::string(20000, 'a') + "\r\n\r\n"},
      {kReceived, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}},
     "> request 1 16384:GET / HTTP/1.1|A: aa...aaaaaaaaaaaaaaaaaaaa truncated\n"
     "< response 1 HTTP/1.1 200 OK|Content-Length: 0|\n= end complete 1 sent 0 received 0\n"},
};

}  // namespace

TEST_CASE("HTTP/1: the same messages however they are cut") {
  for (const Case& c : kCases) {
    INFO(c.name);
    CHECK(cut(c.conversation, 0, ~size_t{0}) == c.wanted);
    size_t longest = 0;
    for (const Passing& part : c.conversation) longest = std::max(longest, part.bytes.size());
    size_t step = longest > 1000 ? 997 : 1;
    for (size_t first = 1; first < longest; first += step) {
      INFO("cut after " << first);
      REQUIRE(cut(c.conversation, first, ~size_t{0}) == c.wanted);
    }
    for (size_t piece : {1, 2, 3, 7}) {
      INFO("in pieces of " << piece);
      REQUIRE(cut(c.conversation, piece, piece) == c.wanted);
    }
  }
}

TEST_CASE("HTTP/1: what is no HTTP is not reported, and not looked at again") {
  for (const char* bytes :
       {"*3\r\n$3\r\nSET\r\n", "GET foo\r\n", "SSH-2.0-OpenSSH\r\n", "220 smtp\r\n", "HELO x\r\n",
        "OPTIONS rtsp://a/ RTSP/1.0\r\n\r\n", "PRIX\r\n", "EHLO a\r\n", "USER x\r\n",
        "\x16\x03\x09zz", "PRI * HTTP/3.0\r\n\r\n"}) {
    for (Way way : {kSent, kReceived}) {
      INFO(bytes);
      Wire wire;
      g_lines.clear();
      wire.pass(way, bytes);
      wire.closed();
      CHECK(text().empty());
      CHECK(wire.connection().protocol.load() == Protocol::kOther);
    }
  }
}

TEST_CASE("HTTP/1: a body until the connection ends") {
  g_lines.clear();
  {
    Wire client;
    client.sent("GET / HTTP/1.1\r\n\r\n").received("HTTP/1.1 200 OK\r\n\r\nabc").received("def");
    client.ended(kReceived).closed();
  }
  CHECK(text() ==
        "> request 1 GET / HTTP/1.1|\n< response 1 HTTP/1.1 200 OK|\n"
        "= end complete 1 sent 0 received 6\n");
  g_lines.clear();
  {
    Wire server;
    server.received("GET / HTTP/1.0\r\n\r\n").sent("HTTP/1.0 200 OK\r\n\r\nabc").closed();
  }
  CHECK(text() ==
        "< request 1 GET / HTTP/1.0|\n> response 1 HTTP/1.0 200 OK|\n"
        "= end complete 1 sent 3 received 0\n");
  g_lines.clear();
  {
    Wire client;
    client.sent("GET / HTTP/1.1\r\n\r\n").received("HTTP/1.1 200 OK\r\n\r\nabc").closed();
  }
  CHECK(g_lines.back() == "= end closed 1 sent 0 received 3");
}

TEST_CASE("HTTP/1: an end of the stream") {
  g_lines.clear();
  Wire client;
  client.sent("GET / HTTP/1.1\r\n\r\n").received("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  client.ended(kReceived);
  CHECK(g_lines.back() == "= end closed 1 sent 0 received 3");
  // A client that has asked and says that no more will come is still answered.
  g_lines.clear();
  Wire server;
  server.received("GET / HTTP/1.1\r\n\r\n").ended(kReceived);
  CHECK(g_lines.size() == 1);
  server.sent("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(g_lines.back() == "= end complete 1 sent 0 received 0");
  g_lines.clear();
  Wire failed;
  failed.sent("GET / HTTP/1.1\r\n\r\n").closed(HttpEndReason::kFailed, 104);
  CHECK(g_lines.back() == "= end failed 1 sent 0 received 0 error 104");
}

TEST_CASE("HTTP/1: sixty-four requests may wait, more are given up") {
  g_lines.clear();
  Wire wire;
  wire.sent(repeat("GET / HTTP/1.1\r\n\r\n", 64));
  CHECK(g_lines.size() == 64);
  wire.received(repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 64));
  CHECK(g_lines.size() == 64 * 3);
  CHECK(g_lines.back() == "= end complete 64 sent 0 received 0");
  wire.sent(repeat("GET / HTTP/1.1\r\n\r\n", 65));
  CHECK(wire.connection().protocol.load() == Protocol::kGivenUp);
  CHECK(g_lines.size() == 64 * 3 + 64 + 1 + 64);
  CHECK(g_lines[64 * 4] == "! an exchange that is not read");
  CHECK(g_lines.back() == "= end unparsed 128 sent 0 received 0");
}

TEST_CASE("HTTP/1: a response that is seen before its request") {
  g_lines.clear();
  Wire wire(HttpRole::kClient);
  wire.received("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  wire.sent("GET /1 HTTP/1.1\r\n\r\n");
  CHECK(text() ==
        "< response 1 HTTP/1.1 200 OK|Content-Length: 1|\n> request 1 GET /1 HTTP/1.1|\n"
        "= end complete 1 sent 0 received 1\n");
}

TEST_CASE("HTTP/1: bytes that the program never had in hand") {
  const char* chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n";
  for (uint64_t piece : {uint64_t{1}, uint64_t{30}, uint64_t{100}}) {
    INFO("pieces of " << piece);
    for (bool chunked : {false, true}) {
      g_lines.clear();
      Wire wire;
      wire.received("GET / HTTP/1.1\r\n\r\n");
      wire.sent(chunked ? chunks : "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
      for (uint64_t left = 100; left > 0; left -= std::min(left, piece)) {
        wire.unseen(kSent, std::min(left, piece));
      }
      if (chunked) wire.sent("\r\n0\r\n\r\n");
      CHECK(g_lines.back() == "= end complete 1 sent 100 received 0");
      wire.received("GET /2 HTTP/1.1\r\n\r\n");
      CHECK(g_lines.back() == "< request 2 GET /2 HTTP/1.1|");
    }
  }
  // Where they can be no body, there is no telling where the next message begins.
  for (const char* before : {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost",
                             "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"}) {
    Wire wire;
    wire.sent(before).unseen(kSent, 6);
    Protocol now = wire.connection().protocol.load();
    CHECK((now == Protocol::kGivenUp || now == Protocol::kOther));
  }
  g_lines.clear();
  Wire until_close;
  until_close.received("GET / HTTP/1.0\r\n\r\n").sent("HTTP/1.0 200 OK\r\n\r\n");
  until_close.unseen(kSent, 1 << 20).ended(kSent);
  CHECK(g_lines.back() == "= end complete 1 sent 1048576 received 0");
}
