/* Sockets that come from elsewhere: each part is one exchange between two processes, of which one
 * has not opened its socket itself. Prints nothing. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

static void need(int condition, int status) {
  if (!condition) _exit(status);
}

static void take(int fd, const char* end) {
  char buffer[4096] = "";
  size_t got = 0;
  while (strstr(buffer, end) == NULL) {
    ssize_t n = read(fd, buffer + got, sizeof buffer - 1 - got);
    need(n > 0, 2);
    got += (size_t)n;
    buffer[got] = 0;
  }
}

static void give(int fd, const char* text) {
  need(write(fd, text, strlen(text)) == (ssize_t)strlen(text), 3);
}

static void ask(int fd, const char* path) {
  char text[100];
  snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n\r\n", path);
  give(fd, text);
  take(fd, "body");
  close(fd);
}

static void serve(int fd) {
  take(fd, "\r\n\r\n");
  give(fd, kOk);
  close(fd);
}

static void make_pair(int fds[2]) {
  need(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, 4);
}

/* A message with one descriptor, among other things that it may bring. */
static void send_descriptor(int channel, int fd) {
  char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof fd)];
  memset(control, 0, sizeof control);
  struct iovec part = {(char*)"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
  message.msg_controllen = sizeof control;
  struct cmsghdr* head = CMSG_FIRSTHDR(&message);
  *head = (struct cmsghdr){CMSG_LEN(sizeof(struct ucred)), SOL_SOCKET, SCM_CREDENTIALS};
  struct ucred self = {getpid(), getuid(), getgid()};
  memcpy(CMSG_DATA(head), &self, sizeof self);
  head = CMSG_NXTHDR(&message, head);
  *head = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  need(sendmsg(channel, &message, 0) == 1, 5);
}

static int receive_descriptor(int channel, int many) {
  char control[1000], byte;
  int on = 1, fd = -1;
  setsockopt(channel, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  struct iovec part = {&byte, 1};
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control}};
  message.msg_hdr.msg_controllen = sizeof control;
  if (many) {
    need(recvmmsg(channel, &message, 1, 0, NULL) == 1, 6);
  } else {
    need(recvmsg(channel, &message.msg_hdr, 0) == 1, 7);
  }
  for (struct cmsghdr* head = CMSG_FIRSTHDR(&message.msg_hdr); head != NULL;
       head = CMSG_NXTHDR(&message.msg_hdr, head)) {
    if (head->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(head), sizeof fd);
  }
  need(fd >= 0, 8);
  return fd;
}

/* To a worker, which has many descriptors open, by a message. `stream`: of the channel. */
static void pass(const char* path, int type, int many) {
  int channel[2], fds[2];
  need(socketpair(AF_UNIX, type, 0, channel) == 0, 9);
  if (fork() == 0) {
    for (int i = 0; i < 20; i++) open("/dev/null", O_RDONLY);
    int fd = receive_descriptor(channel[1], many);
    need(fd > 20, 10);
    serve(fd);
    _exit(0);
  }
  make_pair(fds);
  send_descriptor(channel[0], fds[1]);
  close(fds[1]), close(channel[0]), close(channel[1]);
  ask(fds[0], path);
}

/* Out of a child, which then is the client. */
static void take_from_child(const char* path, int by_number) {
  int fds[2], told[2];
  need(pipe(told) == 0, 11);
  int child = fork();
  if (child == 0) {
    make_pair(fds);
    need(write(told[1], &fds[1], sizeof fds[1]) == sizeof fds[1], 12);
    ask(fds[0], path);
    _exit(0);
  }
  int number = -1;
  need(read(told[0], &number, sizeof number) == sizeof number, 13);
  int process = (int)syscall(SYS_pidfd_open, child, 0);
  int pidfd_getfd(int, int, unsigned);
  int fd = by_number ? (int)syscall(SYS_pidfd_getfd, process, number, 0)
                     : pidfd_getfd(process, number, 0);
  need(fd >= 0, 14);
  close(process), close(told[0]), close(told[1]);
  serve(fd);
}

/* To a program that is executed. */
static void execute(const char* program, const char* path) {
  int fds[2];
  make_pair(fds);
  if (fork() == 0) {
    char number[20];
    snprintf(number, sizeof number, "%d", fcntl(fds[1], F_DUPFD, 100));
    close(fds[0]), close(fds[1]);
    execl(program, program, "serve", number, (char*)NULL);
    _exit(15);
  }
  close(fds[1]);
  ask(fds[0], path);
}

/* The request is read by the program before: only its answer is left to this one, then another
 * exchange. */
static void execute_under_way(const char* program, const char* path, const char* next) {
  int fds[2];
  make_pair(fds);
  if (fork() == 0) {
    char number[20];
    snprintf(number, sizeof number, "%d", fcntl(fds[1], F_DUPFD, 100));
    close(fds[0]);
    take(fds[1], "\r\n\r\n");
    execl(program, program, "answer", number, (char*)NULL);
    _exit(16);
  }
  close(fds[1]);
  ask(dup(fds[0]), path);
  ask(fds[0], next);
}

int main(int count, char** words) {
  if (count > 2) {
    int fd = atoi(words[2]);
    if (strcmp(words[1], "answer") == 0) give(fd, kOk);
    serve(fd);
    return 0;
  }
  pass("/passed", SOCK_STREAM, 0);
  pass("/passed-by-datagram", SOCK_DGRAM, 0);
  pass("/passed-with-others", SOCK_STREAM, 1);
  take_from_child("/taken", 0);
  take_from_child("/taken-by-number", 1);
  execute(words[0], "/executed");
  execute_under_way(words[0], "/begun", "/next");
  int status;
  while (wait(&status) > 0) need(status == 0, 17);
  return 0;
}
