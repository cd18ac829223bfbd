// A server that handles one request after the other in functions; argv: the port's file, how many
// requests, and a URL path that is fetched from another server (its port) while handling.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int upstream;

static void until_empty_line(int fd, char* text, size_t size) {
  size_t at = 0;
  text[0] = 0;
  while (strstr(text, "\r\n\r\n") == NULL && at + 1 < size) {
    ssize_t n = recv(fd, text + at, size - at - 1, 0);
    if (n <= 0) return;
    at += (size_t)n;
    text[at] = 0;
  }
}

static void fetch(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)upstream)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr*)&to, sizeof to) == 0) {
    const char ask[] = "GET /inner HTTP/1.1\r\nHost: inner\r\nConnection: close\r\n\r\n";
    char answer[4096];
    if (send(fd, ask, sizeof ask - 1, 0) > 0) {
      while (recv(fd, answer, sizeof answer, 0) > 0) {
      }
    }
  }
  close(fd);
}

static void answer(int fd) {
  const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes";
  if (send(fd, text, sizeof text - 1, 0) < 0) perror("send");
}

static void handle(int fd) {
  if (upstream != 0) fetch();
  answer(fd);
}

static void loop(int listener, int requests) {
  for (int i = 0; i < requests; i++) {
    char text[8192];
    int fd = accept(listener, NULL, NULL);
    until_empty_line(fd, text, sizeof text);
    handle(fd);
    close(fd);
  }
}

int main(int count, char** words) {
  struct sockaddr_in own = {.sin_family = AF_INET};
  socklen_t size = sizeof own;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (count < 3 || bind(listener, (struct sockaddr*)&own, sizeof own) != 0 ||
      listen(listener, 16) != 0 || getsockname(listener, (struct sockaddr*)&own, &size) != 0) {
    return 1;
  }
  if (count > 3) upstream = atoi(words[3]);
  char name[4096];
  snprintf(name, sizeof name, "%s.new", words[1]);
  FILE* file = fopen(name, "w");
  if (file == NULL) return 1;
  fprintf(file, "%d\n", ntohs(own.sin_port));
  fclose(file);
  rename(name, words[1]);
  loop(listener, atoi(words[2]));
  return 0;
}
