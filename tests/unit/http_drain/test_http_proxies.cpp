// Whom an exchange is really with, where a proxy is in between.
#include <catch2/catch.hpp>

#include "http_program.h"

namespace telinject::test::http_proxies_test {
using namespace drain;
namespace {

struct Ends {
  AddressForm client_form = AddressForm::kNone, target_form = AddressForm::kNone;
  std::string client = "", target = "";
  uint16_t client_port = 0, target_port = 0;
};

void connect(HttpProgram* p, LaneWriter* lane, HttpRole role, const Ends& ends,
             const std::string& server_name = "") {
  HttpConnectionMessage head = {};
  head.connection = 1;
  head.role = role;
  head.family = AF_INET;
  head.peer_port = 1080;
  head.local_port = 40000;
  inet_pton(AF_INET, "10.0.0.7", head.peer_address);
  inet_pton(AF_INET, "10.0.0.1", head.local_address);
  head.client_form = ends.client_form;
  head.client_port = ends.client_port;
  head.client_bytes = static_cast<uint8_t>(ends.client.size());
  head.target_form = ends.target_form;
  head.target_port = ends.target_port;
  head.target_bytes = static_cast<uint8_t>(ends.target.size());
  head.server_name_bytes = static_cast<uint16_t>(server_name.size());
  p->put(lane, MessageType::kHttpConnection, head, server_name + ends.client + ends.target);
}

// The attributes of both events of one exchange, a request without Host.
std::vector<json> attributes(HttpRole role, const Ends& ends, const std::string& server_name = "",
                             const std::string& more = "") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 4712);
  connect(&p, &lane, role, ends, server_name);
  uint16_t from_peer = role == HttpRole::kServer ? kHttpFromPeer : 0;
  p.request(&lane, 1, 1, "GET /x HTTP/1.0\r\n" + more, HttpProgram::own_trace(5), from_peer);
  p.response(&lane, 1, 1, ok(), from_peer ^ kHttpFromPeer);
  p.end(&lane, 1, 1);
  std::vector<json> found;
  for (const json& event : p.events()) found.push_back(event["attributes"]);
  REQUIRE(found.size() == 2);
  return found;
}

Ends client(AddressForm form, const std::string& address, uint16_t port) {
  Ends ends;
  ends.client_form = form;
  ends.client = address;
  ends.client_port = port;
  return ends;
}

Ends target(AddressForm form, const std::string& address, uint16_t port) {
  Ends ends;
  ends.target_form = form;
  ends.target = address;
  ends.target_port = port;
  return ends;
}

constexpr AddressForm kText = AddressForm::kText, kBinary = AddressForm::kBinary;

}  // namespace

TEST_CASE("the client that a proxy speaks for is client.address, the proxy is the peer") {
  struct Case {
    AddressForm form;
    std::string told, wanted;
  };
  for (const Case& c :
       {Case{kText, "192.0.2.9", "192.0.2.9"}, Case{kText, "2001:db8::1", "2001:db8::1"},
        Case{kBinary, std::string("\xc0\x00\x02\x09", 4), "192.0.2.9"},
        Case{kBinary, std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01",
             "2001:db8::1"}}) {
    for (const json& found : attributes(HttpRole::kServer, client(c.form, c.told, 12345))) {
      CHECK(found["client.address"] == c.wanted);
      CHECK(found["client.port"] == 12345);
      CHECK(found["network.peer.address"] == "10.0.0.7");
      CHECK(found["span.kind"] == "server");
    }
    // On its own connections a proxy says who its client is; that is nothing about a request of
    // ours.
    CHECK_FALSE(
        attributes(HttpRole::kClient, client(c.form, c.told, 1))[0].contains("client.address"));
  }
}

TEST_CASE("what is no address is not told as one") {
  for (const Ends& ends : {Ends(), client(kText, "secret text", 1), client(kText, "1.2.3", 1),
                           client(kBinary, "12345", 1), client(AddressForm::kNone, "1.2.3.4", 1),
                           client(kText, "", 1)}) {
    CHECK_FALSE(attributes(HttpRole::kServer, ends)[0].contains("client.address"));
  }
  for (const Ends& ends : {target(kText, "a b", 80), target(kText, "a/../b?", 80),
                           target(kText, "x@y", 80), target(kText, std::string("a\0b", 3), 80)}) {
    json found = attributes(HttpRole::kClient, ends)[0];
    CHECK_FALSE(found.contains("telinject.http.proxy_target"));
    CHECK(found["url.full"] == "http://10.0.0.7:1080/x");
  }
}

TEST_CASE("whom a SOCKS proxy was asked for is where the request goes") {
  struct Case {
    Ends ends;
    std::string url, told;
  };
  for (const Case& c :
       {Case{target(kText, "shop.example", 8080), "http://shop.example:8080/x",
             "shop.example:8080"},
        Case{target(kText, "shop.example", 80), "http://shop.example/x", "shop.example:80"},
        Case{target(kBinary, std::string("\xc0\x00\x02\x09", 4), 80), "http://192.0.2.9/x",
             "192.0.2.9:80"},
        Case{target(kBinary, std::string(15, '\0') + "\x01", 81), "http://[::1]:81/x",
             "[::1]:81"}}) {
    for (const json& found : attributes(HttpRole::kClient, c.ends)) {
      CHECK(found["url.full"] == c.url);
      CHECK(found["telinject.http.proxy_target"] == c.told);
      CHECK(found["network.peer.address"] == "10.0.0.7");
      CHECK(found["network.peer.port"] == 1080);
    }
  }
  // What the request itself says comes first.
  json found = attributes(HttpRole::kClient, target(kText, "shop.example", 8080), "",
                          "Host: www.example:8080\r\n")[0];
  CHECK(found["url.full"] == "http://www.example:8080/x");
  CHECK(found["telinject.http.proxy_target"] == "shop.example:8080");
  // So does the name that TLS asks for, at that port.
  found =
      attributes(HttpRole::kClient, target(kBinary, "\x01\x02\x03\x04", 8443), "tls.example")[0];
  CHECK(found["server.address"] == "tls.example");
  CHECK(found["server.port"] == 8443);
}

}  // namespace telinject::test::http_proxies_test
