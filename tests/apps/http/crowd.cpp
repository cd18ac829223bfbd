// Many connections, in turn or at once, by epoll in one thread.
//
//     crowd server PORT                  answers GET /N with N % 1000 bytes, and closes; until
//     SIGTERM crowd client PORT COUNT AT_ONCE    COUNT connections, AT_ONCE of them open at the
//     same time. After the first
//                                        tenth and at the end it prints how much memory it has of
//                                        its own (RssAnon, kB), and waits for a line on stdin
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

sockaddr_in address_of(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

void watch(int poll, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) exit(9);
}

// Room for the longest head that is asked for here, by descriptor.
char held[4096][512];
size_t held_bytes[4096];

bool answer(int fd) {
  char* head = held[fd];
  long got = recv(fd, head + held_bytes[fd], sizeof held[fd] - 1 - held_bytes[fd], 0);
  if (got <= 0) return false;
  held_bytes[fd] += static_cast<size_t>(got);
  head[held_bytes[fd]] = 0;
  if (strstr(head, "\r\n\r\n") == nullptr) return true;
  static char body[1000];
  memset(body, 'x', sizeof body);
  int size = atoi(head + strlen("GET /")) % 1000;
  char text[200];
  int bytes = snprintf(text, sizeof text,
                       "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", size);
  send(fd, text, static_cast<size_t>(bytes), MSG_NOSIGNAL | MSG_MORE);
  send(fd, body, static_cast<size_t>(size), MSG_NOSIGNAL);
  return false;
}

int serve(int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address = address_of(port);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 3;
  if (listen(listener, 4096) != 0) return 4;
  int poll = epoll_create1(0);
  watch(poll, listener);
  while (true) {
    epoll_event events[64];
    int count = epoll_wait(poll, events, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        if (!answer(fd)) close(fd);
        continue;
      }
      while ((fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0) {
        if (fd >= 4096) return 5;
        held_bytes[fd] = 0;
        watch(poll, fd);
      }
    }
  }
}

long own_memory_kb() {
  FILE* file = fopen("/proc/self/status", "r");
  char line[200];
  long kb = -1;
  while (fgets(line, sizeof line, file) != nullptr) sscanf(line, "RssAnon: %ld", &kb);
  fclose(file);
  return kb;
}

void stand_still() {
  printf("%ld\n", own_memory_kb());
  fflush(stdout);
  char line[10];
  if (read(0, line, sizeof line) < 0) exit(8);
}

// All are connected before the first is asked, and all are asked, in two pieces, before the first
// answers.
bool round_of(int port, int first, int count) {
  sockaddr_in address = address_of(port);
  std::vector<int> fds(static_cast<size_t>(count));
  int poll = epoll_create1(0);
  for (int& fd : fds) {
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
    watch(poll, fd);
  }
  for (int i = 0; i < count; i++) {
    std::string text = "GET /" + std::to_string(first + i) + " HTTP/1.1\r\nHo";
    if (send(fds[static_cast<size_t>(i)], text.data(), text.size(), 0) < 0) return false;
  }
  for (int fd : fds) {
    if (send(fd, "st: crowd\r\n\r\n", 13, 0) < 0) return false;
  }
  for (int open = count; open > 0;) {
    epoll_event events[64];
    int ready = epoll_wait(poll, events, 64, -1);
    for (int i = 0; i < ready; i++) {
      char bytes[700];
      long got = recv(events[i].data.fd, bytes, sizeof bytes, 0);
      if (got < 0) return false;
      if (got == 0) {
        close(events[i].data.fd);
        open--;
      }
    }
  }
  close(poll);
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 1;
  int port = atoi(arguments[2]);
  if (strcmp(arguments[1], "server") == 0) {
    signal(SIGTERM, [](int) { _exit(0); });
    return serve(port);
  }
  int all = atoi(arguments[3]), at_once = atoi(arguments[4]);
  bool stood = false;
  for (int done = 0; done < all; done += at_once) {
    if (!stood && done >= all / 10) {
      stand_still();
      stood = true;
    }
    if (!round_of(port, done, at_once)) return 2;
  }
  stand_still();
  return 0;
}
