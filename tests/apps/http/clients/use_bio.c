/* OpenSSL's own way to write a client: a BIO that does TLS. argv[1]: https://HOST:PORT, argv[2]:
 * whom to trust. A BIO that buffers is put above it for the last request: that waits for as much
 * as is asked for, or the end. */
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static BIO* open_bio(SSL_CTX* context, const char* address) {
  BIO* bio = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(bio, address);
  SSL* ssl;
  BIO_get_ssl(bio, &ssl);
  SSL_set_tlsext_host_name(ssl, "localhost");
  return bio;
}

/* The status, and the length of the body. */
static void answer(BIO* bio) {
  static char text[4 << 20];
  size_t size = 0, head = 0, wanted = 1;
  while (head == 0 || size < head + wanted) {
    int n = BIO_read(bio, text + size, (int)(sizeof text - 1 - size));
    if (n <= 0) exit(3);
    size += (size_t)n;
    text[size] = 0;
    char* end = strstr(text, "\r\n\r\n");
    if (head != 0 || end == NULL) continue;
    head = (size_t)(end - text) + 4;
    char* length = strstr(text, "Content-Length: ");
    wanted = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
  }
  printf("%.3s %zu\n", text + 9, size - head);
}

int main(int count, char** words) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (count < 3 || SSL_CTX_load_verify_locations(context, words[2], NULL) != 1) return 2;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  const char* address = words[1] + strlen("https://");
  BIO* bio = open_bio(context, address);
  const char* paths[] = {"/small.txt", "/large.txt", "/gone"};
  for (int i = 0; i < 3; i++) {
    char request[200];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
    if (BIO_puts(bio, request) <= 0) return 4;
    answer(bio);
  }
  BIO_free_all(bio);
  bio = BIO_push(BIO_new(BIO_f_buffer()), open_bio(context, address));
  BIO_printf(bio, "GET %s HTTP/1.1\r\n", "/1.txt");
  BIO_printf(bio, "Host: localhost\r\nConnection: close\r\n\r\n");
  if (BIO_flush(bio) <= 0) return 5;
  answer(bio);
  BIO_free_all(bio);
  SSL_CTX_free(context);
  return 0;
}
