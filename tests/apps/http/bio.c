/* HTTP over OpenSSL's BIO that does TLS, as its manual shows it.
 *   client HOST:PORT AUTHORITY     two requests on one connection, a third by way of a BIO that
 *                                  buffers
 *   server PORT CERTIFICATE KEY    serves two connections, says "ready" first
 *   pair CERTIFICATE KEY           both sides in this process, connected by memory; twice on one
 * BIO Prints what it gets. */
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kAnswer[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

static void need(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

/* Reads until the text is there, byte by byte (a BIO that buffers waits for as many as are asked
 * for), and prints the first line. */
static void take(BIO* bio, const char* until) {
  char text[2000] = "";
  size_t size = 0;
  while (strstr(text, until) == NULL) {
    size_t bytes = 0;
    if (BIO_read_ex(bio, text + size, 1, &bytes) != 1) {
      need(BIO_should_retry(bio), "BIO_read_ex");
      continue;
    }
    size += bytes;
    text[size] = 0;
  }
  printf("%.*s\n", (int)strcspn(text, "\r\n"), text);
}

static SSL_CTX* server_context(const char* certificate, const char* key) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  need(SSL_CTX_use_certificate_chain_file(context, certificate) == 1, "certificate");
  need(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, "key");
  return context;
}

static int client(const char* address, const char* authority) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  need(SSL_CTX_load_verify_locations(context, authority, NULL) == 1, "authority");
  BIO* bio = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(bio, address);
  need(BIO_do_connect(bio) == 1, "BIO_do_connect");
  need(BIO_puts(bio, "GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n") > 0, "BIO_puts");
  take(bio, "hello ");
  need(BIO_puts(bio, "POST /two HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody") > 0, "BIO_puts");
  take(bio, "hello body");
  BIO_free_all(bio);
  BIO* buffered = BIO_new_buffer_ssl_connect(context);
  BIO_set_conn_hostname(buffered, address);
  for (const char* p = "GET /three HTTP/1.1\r\nHost: localhost\r\n\r\n"; *p != 0; p++) {
    need(BIO_write(buffered, p, 1) == 1, "BIO_write");
  }
  need(BIO_flush(buffered) == 1, "BIO_flush");
  take(buffered, "hello ");
  BIO_free_all(buffered);
  SSL_CTX_free(context);
  return 0;
}

static int server(const char* port, SSL_CTX* context) {
  BIO* listener = BIO_new_accept(port);
  BIO_set_accept_bios(listener, BIO_push(BIO_new(BIO_f_buffer()), BIO_new_ssl(context, 0)));
  BIO_set_bind_mode(listener, BIO_BIND_REUSEADDR);
  need(BIO_do_accept(listener) == 1, "BIO_do_accept");
  printf("ready\n");
  fflush(stdout);
  for (int i = 0; i < 2; i++) {
    need(BIO_do_accept(listener) == 1, "BIO_do_accept");
    BIO* connection = BIO_pop(listener);
    need(BIO_do_handshake(connection) == 1, "BIO_do_handshake");
    char line[1000];
    do {
      need(BIO_gets(connection, line, sizeof line) > 0, "BIO_gets");
      if (strncmp(line, "GET", 3) == 0) printf("%.*s\n", (int)strcspn(line, "\r\n"), line);
    } while (line[0] != '\r');
    need(BIO_puts(connection, kAnswer) > 0 && BIO_flush(connection) == 1, "answer");
    BIO_free_all(connection);
  }
  BIO_free_all(listener);
  return 0;
}

static void exchange(BIO* ends[2], const char* request) {
  for (int over = 0; over != 2;) {
    over = 0;
    for (int i = 0; i < 2; i++) {
      int done = BIO_do_handshake(ends[i]) == 1;
      need(done || BIO_should_retry(ends[i]), "BIO_do_handshake");
      over += done;
    }
  }
  need(BIO_puts(ends[0], request) > 0, "BIO_puts");
  take(ends[1], "\r\n\r\n");
  need(BIO_puts(ends[1], kAnswer) > 0, "BIO_puts");
  take(ends[0], "ok\n");
}

static int pair(SSL_CTX* context) {
  SSL_CTX* contexts[2] = {SSL_CTX_new(TLS_client_method()), context};
  BIO *lower[2], *ends[2];
  for (int i = 0; i < 2; i++) ends[i] = BIO_new_ssl(contexts[i], i == 0);
  for (int round = 0; round < 2; round++) {
    need(BIO_new_bio_pair(&lower[0], 0, &lower[1], 0) == 1, "BIO_new_bio_pair");
    for (int i = 0; i < 2; i++) BIO_push(ends[i], lower[i]);
    exchange(ends, round == 0 ? "GET /first HTTP/1.1\r\n\r\n" : "GET /second HTTP/1.1\r\n\r\n");
    for (int i = 0; i < 2; i++) {
      SSL* ssl = SSL_new(contexts[i]);
      i == 0 ? SSL_set_connect_state(ssl) : SSL_set_accept_state(ssl);
      BIO_free(BIO_pop(ends[i]));
      BIO_set_ssl(ends[i], ssl, BIO_CLOSE);
    }
  }
  for (int i = 0; i < 2; i++) BIO_free(ends[i]);
  SSL_CTX_free(contexts[0]);
  return 0;
}

int main(int count, char** words) {
  need(count >= 4, "arguments");
  if (strcmp(words[1], "client") == 0) return client(words[2], words[3]);
  if (strcmp(words[1], "pair") == 0) return pair(server_context(words[2], words[3]));
  return server(words[2], server_context(words[3], words[4]));
}
