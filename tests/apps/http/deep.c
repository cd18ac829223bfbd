/* A library that is opened with RTLD_DEEPBIND: run() makes an exchange with a socket of its own and
 * one by way of libcurl. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bound where it is loaded, not where it is called. */
static ssize_t (*const volatile kRead)(int, void*, size_t) = read;

/* Led to a function of the library's own before anybody looks: as SQLite's table of system calls.
 */
static ssize_t own_write(int fd, const void* bytes, size_t size);
static ssize_t (*volatile replaced_write)(int, const void*, size_t) = write;
static int own_writes;

static ssize_t own_write(int fd, const void* bytes, size_t size) {
  own_writes++;
  return write(fd, bytes, size);
}

__attribute__((constructor)) static void replace(void) {
  replaced_write = own_write;
}

int run(const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) return 2;
  const char request[] = "GET /socket HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char answer[1000];
  if (replaced_write(fd, request, sizeof request - 1) != sizeof request - 1) return 3;
  if (own_writes != 1) return 5;
  if (kRead(fd, answer, sizeof answer) <= 0) return 4;
  printf("%.*s\n", (int)strcspn(answer, "\r"), answer);
  fflush(stdout);
  close(fd);
  char url[100];
  snprintf(url, sizeof url, "http://127.0.0.1:%s/curl", port);
  CURL* handle = curl_easy_init();
  curl_easy_setopt(handle, CURLOPT_URL, url);
  int result = (int)curl_easy_perform(handle);
  curl_easy_cleanup(handle);
  printf("\n");
  return result;
}
