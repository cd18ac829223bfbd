// A threaded HTTP/1.1 server: a thread for each connection, a handler for each request, whose calls
// are what a trace should show below the request.
//
//     server PORT [CERTIFICATE KEY]      until SIGTERM; prints a line for each exchange that it
//     answered
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "wire.h"

namespace {

SSL_CTX* context;

struct Request {
  std::string method, path, body;
  bool close = false;
};

}  // namespace

// Outside the unnamed namespace: their names are asserted on.
int look_up(const std::string& path) {
  return static_cast<int>(path.size());
}

std::string render(const Request& request) {
  std::string text = request.method + " " + request.path + " ";
  text += std::to_string(look_up(request.path)) + " " + std::to_string(request.body.size()) + "\n";
  return text;
}

int handle(const Request& request, std::string* answer) {
  if (request.path == "/missing") return 404;
  *answer = render(request);
  return 200;
}

// False at the connection's end.
bool read_request(Wire* wire, std::string* held, Request* request) {
  char bytes[4096];
  size_t end;
  while ((end = held->find("\r\n\r\n")) == std::string::npos) {
    long got = wire->receive(bytes, sizeof bytes);
    if (got <= 0) return false;
    held->append(bytes, static_cast<size_t>(got));
  }
  std::string head = held->substr(0, end + 2);
  held->erase(0, end + 4);
  size_t space = head.find(' ');
  request->method = head.substr(0, space);
  request->path = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  request->close = strcasestr(head.c_str(), "\r\nconnection: close\r\n") != nullptr;
  const char* length = strcasestr(head.c_str(), "\r\ncontent-length:");
  size_t size = length != nullptr ? strtoul(length + 17, nullptr, 10) : 0;
  while (held->size() < size) {
    long got = wire->receive(bytes, sizeof bytes);
    if (got <= 0) return false;
    held->append(bytes, static_cast<size_t>(got));
  }
  request->body = held->substr(0, size);
  held->erase(0, size);
  return true;
}

bool answer(Wire* wire, const Request& request, int status, const std::string& body) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Not Found");
  text +=
      "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  if (request.method != "HEAD") text += body;
  flockfile(stdout);
  printf("%s %s %d\n", request.method.c_str(), request.path.c_str(), status);
  fflush(stdout);
  funlockfile(stdout);
  return wire->send_all(text.data(), text.size());
}

void* serve(void* argument) {
  Wire wire(static_cast<int>(reinterpret_cast<long>(argument)), context);
  std::string held;
  Request request;
  while (read_request(&wire, &held, &request)) {
    std::string body;
    int status = handle(request, &body);
    if (!answer(&wire, request, status, body) || request.close) break;
  }
  return nullptr;
}

void end(int) {
  _exit(0);
}

int main(int count, char** arguments) {
  signal(SIGTERM, end);
  if (count > 3) {
    context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context, arguments[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, arguments[3], SSL_FILETYPE_PEM) != 1) {
      return 2;
    }
  }
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(atoi(arguments[1])));
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 3;
  if (listen(listener, 1024) != 0) return 4;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  while (true) {
    long fd = accept(listener, nullptr, nullptr);
    if (fd < 0) continue;
    pthread_t thread;
    if (pthread_create(&thread, &detached, serve, reinterpret_cast<void*>(fd)) != 0)
      close(static_cast<int>(fd));
  }
}
