/* HTTP by functions that are found at run time only. URLs are HOST:PORT of servers on this machine.
 *   symbols PORT TLS_PORT AUTHORITY    one exchange by functions of libc, one by those of OpenSSL,
 *                                      all looked up by handles
 *   deep LIBRARY PORT                  opens the library with RTLD_DEEPBIND and calls its `run`
 * Prints what it gets. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef FLAGS
#define FLAGS RTLD_NOW
#endif

static void* need(void* found, const char* what) {
  if (found != NULL) return found;
  fprintf(stderr, "%s: %s\n", what, dlerror());
  exit(1);
}

#define LOOK_UP(handle, type, name) \
  __typeof__(type) name##_ = (type)need(dlsym(handle, #name), #name)
#define LOOK_UP_VERSION(handle, type, name, version) \
  __typeof__(type) name##_ = (type)need(dlvsym(handle, #name, version), #name)

static int connected(const char* port) {
  void* libc = need(dlopen("libc.so.6", RTLD_LAZY), "libc");
  LOOK_UP(libc, int (*)(int, int, int), socket);
  LOOK_UP_VERSION(libc, int (*)(int, const void*, unsigned), connect, "GLIBC_2.2.5");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket_(AF_INET, SOCK_STREAM, 0);
  if (connect_(fd, &address, sizeof address) != 0) exit(2);
  return fd;
}

static void tell(const char* answer, long size) {
  if (size <= 0) exit(3);
  printf("%.*s\n", (int)strcspn(answer, "\r"), answer);
}

static void plain(const char* port) {
  void* libc = need(dlopen("libc.so.6", RTLD_LAZY), "libc");
  LOOK_UP(libc, ssize_t(*)(int, const void*, size_t, int), send);
  LOOK_UP(libc, ssize_t(*)(int, void*, size_t), read);
  LOOK_UP(libc, int (*)(int), close);
  int fd = connected(port);
  const char request[] = "GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char answer[1000];
  if (send_(fd, request, sizeof request - 1, 0) != sizeof request - 1) exit(4);
  tell(answer, read_(fd, answer, sizeof answer));
  close_(fd);
}

/* Whose BIO_new goes on to BIO_new_ex, also a function that is wrapped, by a jump. */
static void memory(void) {
  void* libcrypto = need(dlopen("libcrypto.so.3", RTLD_LAZY | RTLD_LOCAL), "libcrypto");
  LOOK_UP(libcrypto, void* (*)(void), BIO_s_mem);
  LOOK_UP(libcrypto, void* (*)(void*), BIO_new);
  LOOK_UP(libcrypto, void (*)(void*), BIO_free);
  BIO_free_(need(BIO_new_(BIO_s_mem_()), "BIO_new"));
}

static void secure(const char* port, const char* authority) {
  void* libssl = need(dlopen("libssl.so.3", RTLD_LAZY | RTLD_LOCAL), "libssl");
  LOOK_UP(libssl, void* (*)(void), TLS_client_method);
  LOOK_UP(libssl, void* (*)(void*), SSL_CTX_new);
  LOOK_UP(libssl, int (*)(void*, const char*, const char*), SSL_CTX_load_verify_locations);
  LOOK_UP(libssl, void* (*)(void*), SSL_new);
  LOOK_UP(libssl, int (*)(void*, int), SSL_set_fd);
  LOOK_UP(libssl, int (*)(void*), SSL_connect);
  LOOK_UP_VERSION(libssl, int (*)(void*, const void*, int), SSL_write, "OPENSSL_3.0.0");
  LOOK_UP(libssl, int (*)(void*, void*, int), SSL_read);
  LOOK_UP(libssl, void (*)(void*), SSL_free);
  if (dlsym(libssl, "SSL_read") != (void*)SSL_read_) exit(5);
  void* context = SSL_CTX_new_(TLS_client_method_());
  if (SSL_CTX_load_verify_locations_(context, authority, NULL) != 1) exit(6);
  void* ssl = SSL_new_(context);
  SSL_set_fd_(ssl, connected(port));
  if (SSL_connect_(ssl) != 1) exit(7);
  const char request[] = "GET /secure HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char answer[1000];
  if (SSL_write_(ssl, request, sizeof request - 1) != sizeof request - 1) exit(8);
  tell(answer, SSL_read_(ssl, answer, sizeof answer));
  SSL_free_(ssl);
}

int main(int count, char** words) {
  if (count < 4) return 9;
  if (strcmp(words[1], "symbols") == 0) {
    plain(words[2]);
    memory();
    secure(words[3], words[4]);
    return 0;
  }
  void* library = need(dlopen(words[2], FLAGS | RTLD_DEEPBIND), "library");
  LOOK_UP(library, int (*)(const char*), run);
  return run_(words[3]);
}
