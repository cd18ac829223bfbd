// cpp-httplib: serves what it is asked for, on port argv[1]; logs "METHOD PATH STATUS". argv[2],
// argv[3]: certificate and key. Ends at SIGTERM.
#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <csignal>
#include <cstdio>
#include <memory>

static httplib::Server* g_server;

int main(int count, char** words) {
  std::unique_ptr<httplib::Server> server;
  if (count > 3) {
    server = std::make_unique<httplib::SSLServer>(words[2], words[3]);
  } else {
    server = std::make_unique<httplib::Server>();
  }
  g_server = server.get();
  std::signal(SIGTERM, [](int) { g_server->stop(); });
  auto serve = [](const httplib::Request& request, httplib::Response& response) {
    response.status = request.path == "/none" || request.path == "/missing" ? 404 : 200;
    response.set_content("served " + request.path + "\n", "text/plain");
  };
  server->Get(".*", serve);
  server->Post(".*", serve);
  server->set_logger([](const httplib::Request& request, const httplib::Response& response) {
    std::printf("%s %s %d\n", request.method.c_str(), request.path.c_str(), response.status);
    std::fflush(stdout);
  });
  return server->listen("127.0.0.1", std::atoi(words[1])) ? 0 : 1;
}
