// The HTTP client against a server of the test's: one thread, one answer a connection.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "shim/net/http_client.h"

using namespace telinject::net;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

// Accepts connections one after the other, reads a request and sends the answer as it is. With an
// empty answer it says nothing until the client has gone.
class Server {
 public:
  explicit Server(std::string answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 8) == 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() { stop(); }

  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  // Everything that was received.
  const std::string& stop() {
    if (thread_.joinable()) {
      shutdown(listener_, SHUT_RDWR);
      thread_.join();
      close(listener_);
    }
    return received_;
  }

 private:
  void serve() {
    int connection;
    while ((connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0) {
      read_request(connection);
      if (!answer_.empty()) {
        send(connection, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        shutdown(connection, SHUT_WR);
      }
      char rest[4096];
      while (read(connection, rest, sizeof rest) > 0) {
      }
      close(connection);
    }
  }
  void read_request(int connection) {
    std::string request;
    char part[4096];
    ssize_t n;
    while (!is_whole(request) && (n = read(connection, part, sizeof part)) > 0) {
      request.append(part, static_cast<size_t>(n));
    }
    received_ += request;
  }
  static bool is_whole(const std::string& request) {
    size_t end = request.find("\r\n\r\n"), length = request.find("Content-Length: ");
    if (end == std::string::npos) return false;
    size_t body = length == std::string::npos ? 0 : std::stoul(request.substr(length + 16));
    return request.size() >= end + 4 + body;
  }

  std::string answer_, received_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

std::string answer(const std::string& status, const std::string& body,
                   const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

HttpResponse send_one(const HttpRequest& request) {
  HttpClient client(steady_clock::now() + 10s);
  return client.send(request);
}

}  // namespace

TEST_CASE("a request's method, headers and body are sent as they are") {
  Server server(answer("201 Created", "done", "X-Kind: first\r\nX-KIND: second\r\n"));
  HttpResponse response = send_one({.url = server.url("/events?a=b"),
                                    .headers = {"Content-Type: application/x-ndjson", "X-Key: 7"},
                                    .method = "PUT",
                                    .body = std::string(3000, 'x') + '\0' + "y"});
  CHECK(response.problem.empty());
  CHECK(response.status == 201);
  CHECK(response.body == "done");
  CHECK(response.header("x-kind") == "first");
  CHECK(response.header("x-other").empty());
  std::string sent = server.stop();
  CHECK(sent.starts_with("PUT /events?a=b HTTP/1.1\r\n"));
  CHECK(sent.find("\r\nContent-Type: application/x-ndjson\r\n") != std::string::npos);
  CHECK(sent.find("\r\nX-Key: 7\r\n") != std::string::npos);
  CHECK(sent.find("Expect") == std::string::npos);
  CHECK(sent.ends_with(std::string("x\0y", 3)));
}

TEST_CASE("no content type is made up for a body") {
  Server server(answer("204 No Content", ""));
  CHECK(send_one({.url = server.url(), .method = "POST", .body = "a"}).ok());
  CHECK(server.stop().find("Content-Type") == std::string::npos);
}

TEST_CASE("a status other than 2xx is a problem, and so is a redirect; its answer is there") {
  Server server(answer("302 Found", "elsewhere", "Location: http://127.0.0.1:1/\r\n"));
  HttpResponse response = send_one({.url = server.url("/here")});
  CHECK(response.status == 302);
  CHECK(response.body == "elsewhere");
  CHECK(response.problem == "GET " + server.url("/here") + ": status 302");
}

TEST_CASE("the headers are those of the last response") {
  Server server("HTTP/1.1 103 Early Hints\r\nX-Kind: hint\r\n\r\n" +
                answer("200 OK", "", "X-Kind: final\r\n"));
  CHECK(send_one({.url = server.url()}).header("X-Kind") == "final");
}

TEST_CASE("no more is read than max_bytes") {
  std::string body(2000, 'a');
  Server server(answer("200 OK", body));
  CHECK(send_one({.url = server.url(), .max_bytes = 2000}).body == body);
  HttpResponse response = send_one({.url = server.url(), .max_bytes = 1999});
  CHECK(response.problem == "GET " + server.url() + ": the answer is larger than 1999 bytes");
  CHECK(response.body.size() <= 1999);
}

TEST_CASE("a server that says nothing is left after the timeout, or when the client is cancelled") {
  Server server("");
  HttpResponse response = send_one({.url = server.url(), .timeout = 120ms});
  CHECK(response.problem == "GET " + server.url() + ": no answer within 120 ms");
  std::atomic<bool> cancelled{false};
  std::thread later([&] {
    std::this_thread::sleep_for(50ms);
    cancelled = true;
  });
  HttpClient client(steady_clock::now() + 1h, &cancelled);
  response = client.send({.url = server.url(), .timeout = 1h});
  later.join();
  CHECK(response.problem == "GET " + server.url() + ": given up");
}

TEST_CASE("nothing is sent after the deadline") {
  Server server(answer("200 OK", ""));
  HttpClient client(steady_clock::now() - 1ms);
  CHECK(client.send({.url = server.url()}).problem ==
        "GET " + server.url() + ": not sent: the time for all requests is over");
  CHECK(server.stop().empty());
}

TEST_CASE("several requests are answered in their order, and a problem names no password") {
  Server good(answer("200 OK", "good")), bad(answer("404 Not Found", ""));
  std::string secret = bad.url("/b");
  secret.insert(sizeof "http://" - 1, "user:password@");
  HttpClient client(steady_clock::now() + 10s);
  auto responses = client.send_all({{.url = secret}, {.url = good.url()}});
  REQUIRE(responses.size() == 2);
  CHECK(responses[0].problem == "GET " + bad.url("/b") + ": status 404");
  CHECK(responses[1].body == "good");
}

TEST_CASE("https is not spoken without certificates to check, nor other protocols") {
  for (const char* url : {"https://127.0.0.1:1/", "file:///etc/passwd"}) {
    HttpResponse response = send_one({.url = url});
    CHECK(response.status == 0);
    CHECK(response.body.empty());
    CHECK(response.problem.find("rotocol") != std::string::npos);
  }
}
