/* HTTP over descriptors in all the ways that they can be used; each part is one exchange. Prints
 * nothing. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int client, server;

static void pair(void) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) exit(1);
  client = fds[0];
  server = fds[1];
}

static void take(int fd, const char* wanted) {
  char buffer[4096];
  size_t size = strlen(wanted), got = 0;
  while (got < size) {
    ssize_t n = read(fd, buffer + got, sizeof buffer - got);
    if (n <= 0) exit(2);
    got += (size_t)n;
  }
  if (got != size || memcmp(buffer, wanted, size) != 0) exit(3);
}

static void give(int fd, const char* text) {
  if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) exit(4);
}

static const char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

static void answer(const char* request) {
  take(server, request);
  give(server, kOk);
  take(client, kOk);
}

int main(void) {
  /* Gathered from pieces, received after a look that takes nothing away. */
  pair();
  struct iovec parts[] = {
      {(char*)"GET /pie", 8}, {(char*)"", 0}, {(char*)"ces HTTP/1.1\r\n\r\n", 16}};
  if (writev(client, parts, 3) != 24) return 5;
  char peeked[64];
  if (recv(server, peeked, sizeof peeked, MSG_PEEK) != 24) return 6;
  answer("GET /pieces HTTP/1.1\r\n\r\n");
  close(client), close(server);

  /* Asked through one number, answered through another. */
  pair();
  int again = dup(client);
  give(client, "GET /dup HTTP/1.1\r\n\r\n");
  close(client);
  client = again;
  answer("GET /dup HTTP/1.1\r\n\r\n");
  close(client), close(server);

  /* The body from a file; the number of a socket that was closed is used again. */
  pair();
  give(client, "GET /file HTTP/1.1\r\n\r\n");
  take(server, "GET /file HTTP/1.1\r\n\r\n");
  give(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  int file = memfd_create("body", 0);
  if (ftruncate(file, 1000) != 0 || sendfile(server, file, NULL, 1000) != 1000) return 7;
  char buffer[4096];
  for (size_t got = 0; got < 1000 + 41;) got += (size_t)recv(client, buffer, sizeof buffer, 0);
  close(client), close(server), close(file);

  /* A forked child answers; the parent, which closes its copy, has nothing to say. */
  pair();
  give(client, "GET /fork HTTP/1.1\r\n\r\n");
  if (fork() == 0) {
    take(server, "GET /fork HTTP/1.1\r\n\r\n");
    give(server, kOk);
    _exit(0);
  }
  close(server);
  take(client, kOk);
  wait(NULL);
  close(client);

  /* The child of vfork puts its own descriptors in order: ours stay what they are. */
  pair();
  give(client, "GET /vfork HTTP/1.1\r\n\r\n");
  if (vfork() == 0) {
    close(client);
    dup2(0, server);
    close_range(3, ~0u, 0);
    execl("/bin/true", "true", (char*)0);
    _exit(1);
  }
  wait(NULL);
  answer("GET /vfork HTTP/1.1\r\n\r\n");
  close_range((unsigned)client, (unsigned)client, 0), close(server);

  /* What looks like HTTP in a file or a pipe is none. */
  file = memfd_create("text", 0);
  give(file, "GET /in-a-file HTTP/1.1\r\n\r\n");
  close(file);

  /* Closed in the middle of an answer. */
  pair();
  give(client, "GET /half HTTP/1.1\r\n\r\n");
  take(server, "GET /half HTTP/1.1\r\n\r\n");
  give(server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  close(server);
  take(client, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  if (read(client, buffer, 1) != 0) return 8;
  close(client);
  return 0;
}
