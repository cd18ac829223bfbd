/* libmicrohttpd: serves what it is asked for, on port argv[1] of 127.0.0.1, with threads; logs
 * "METHOD PATH STATUS". Ends at SIGTERM. argv[2], argv[3]: certificate and key, for TLS. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum MHD_Result serve(void* closure, struct MHD_Connection* connection, const char* url,
                             const char* method, const char* version, const char* data,
                             size_t* size, void** state) {
  (void)closure, (void)version, (void)data;
  static int seen;
  if (*state == NULL) {
    *state = &seen;
    return MHD_YES;
  }
  if (*size != 0) {
    *size = 0;
    return MHD_YES;
  }
  int status = strcmp(url, "/none") == 0 ? 404 : 200;
  char body[200];
  int length = snprintf(body, sizeof body, "served %s\n", url);
  struct MHD_Response* response =
      MHD_create_response_from_buffer((size_t)length, body, MHD_RESPMEM_MUST_COPY);
  enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
  MHD_destroy_response(response);
  printf("%s %s %d\n", method, url, status);
  fflush(stdout);
  return result;
}

static char* contents(const char* path) {
  static char texts[2][10000];
  static int used;
  FILE* file = fopen(path, "r");
  if (file == NULL) exit(2);
  char* text = texts[used++];
  text[fread(text, 1, sizeof texts[0] - 1, file)] = 0;
  fclose(file);
  return text;
}

int main(int count, char** words) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL;
  struct MHD_Daemon* daemon =
      count > 3
          ? MHD_start_daemon(flags | MHD_USE_TLS, 0, NULL, NULL, serve, NULL, MHD_OPTION_SOCK_ADDR,
                             &address, MHD_OPTION_HTTPS_MEM_CERT, contents(words[2]),
                             MHD_OPTION_HTTPS_MEM_KEY, contents(words[3]), MHD_OPTION_END)
          : MHD_start_daemon(flags, 0, NULL, NULL, serve, NULL, MHD_OPTION_SOCK_ADDR, &address,
                             MHD_OPTION_END);
  if (daemon == NULL) return 1;
  int signal_number;
  sigwait(&wanted, &signal_number);
  MHD_stop_daemon(daemon);
  return 0;
}
