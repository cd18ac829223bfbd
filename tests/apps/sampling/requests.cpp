// Requests, of which some fail and some are slow.
//
//   requests loop COUNT [MS]      main calls handle() COUNT times, and sleeps MS at the end
//   requests serve COUNT          serves so many requests over HTTP; prints its port first
//   requests wait                 makes calls until it is killed; prints "ready" when it has begun
//
// Request number i fails if i % 100 is 7, and takes 0.4 seconds if it is 8.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace {

int work(int i) {
  if (i % 100 == 8) usleep(400000);
  return i;
}

void fail(int i) {
  if (i % 100 == 7) throw std::runtime_error("request " + std::to_string(i));
}

int handle(int i) {
  int done = work(i);
  fail(i);
  return done;
}

bool try_handle(int i) {
  try {
    handle(i);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

int loop(int count, int ms) {
  for (int i = 0; i < count; i++) try_handle(i);
  usleep(static_cast<useconds_t>(ms) * 1000);
  return 0;
}

// GET /NUMBER
bool answer(int connection, const std::string& request) {
  int i = atoi(request.c_str() + strlen("GET /"));
  bool good = try_handle(i);
  std::string text = good ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                          : "HTTP/1.1 500 Failed\r\nContent-Length: 2\r\n\r\nno";
  return send(connection, text.data(), text.size(), MSG_NOSIGNAL) > 0;
}

int serve_connection(int connection, int left) {
  std::string buffer;
  char part[4096];
  while (left > 0) {
    size_t end = buffer.find("\r\n\r\n");
    if (end != buffer.npos) {
      if (!answer(connection, buffer)) break;
      buffer.erase(0, end + 4);
      left--;
      continue;
    }
    ssize_t n = recv(connection, part, sizeof part, 0);
    if (n <= 0) break;
    buffer.append(part, static_cast<size_t>(n));
  }
  close(connection);
  return left;
}

int serve(int count) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 64) != 0)
    return 1;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  while (count > 0) {
    int connection = accept(listener, nullptr, nullptr);
    if (connection < 0) return 1;
    count = serve_connection(connection, count);
  }
  return 0;
}

[[noreturn]] void wait_for_end() {
  for (int i = 0;; i++) {
    work(9);
    if (i == 300) {
      puts("ready");
      fflush(stdout);
    }
    usleep(1000);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "loop") return loop(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 0);
  if (mode == "serve") return serve(atoi(argv[2]));
  if (mode == "wait") wait_for_end();
  return 2;
}
