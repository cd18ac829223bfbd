// Waits for answers in functions; argv: the server's port.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int port;

__attribute__((no_instrument_function)) static double seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

__attribute__((no_instrument_function)) static void compute(double for_seconds) {
  double end = seconds(CLOCK_THREAD_CPUTIME_ID) + for_seconds;
  while (seconds(CLOCK_THREAD_CPUTIME_ID) < end) {
  }
}

__attribute__((no_instrument_function)) static int ask(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  const char text[] = "GET /slow HTTP/1.1\r\nHost: slow\r\n\r\n";
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) perror("connect");
  if (send(fd, text, sizeof text - 1, 0) < 0) perror("send");
  return fd;
}

__attribute__((no_instrument_function)) static void hear(int fd) {
  char answer[4096];
  while (recv(fd, answer, sizeof answer, 0) > 0) {
  }
  close(fd);
}

static void meanwhile(void) {
  compute(0.1);
}

static void one(void) {
  compute(0.05);
  int fd = ask();
  meanwhile();
  hear(fd);
}

static void two_at_once(void) {
  int first = ask(), second = ask();
  hear(first);
  hear(second);
}

// Its request is still open when it returns.
static int begin(void) {
  return ask();
}

static void end(int fd) {
  hear(fd);
}

int main(int count, char** words) {
  if (count < 2) return 1;
  port = atoi(words[1]);
  one();
  two_at_once();
  end(begin());
  return 0;
}
