/* libsoup (GnuTLS by way of glib-networking) against the server of argv[1]. */
#include <libsoup/soup.h>
#include <stdio.h>

int main(int count, char** words) {
  SoupSession* session = soup_session_new();
  if (count > 2) {
    GTlsDatabase* trusted = g_tls_file_database_new(words[2], NULL);
    soup_session_set_tls_database(session, trusted);
  }
  const char* paths[] = {"/small.txt", "/large.txt", "/gone"};
  for (int i = 0; i < 3; i++) {
    char url[200];
    snprintf(url, sizeof url, "%s%s", words[1], paths[i]);
    SoupMessage* message = soup_message_new("GET", url);
    GError* error = NULL;
    GBytes* body = soup_session_send_and_read(session, message, NULL, &error);
    if (body == NULL) {
      fprintf(stderr, "%s\n", error->message);
      return 1;
    }
    printf("%d %zu\n", soup_message_get_status(message), g_bytes_get_size(body));
    g_bytes_unref(body);
    g_object_unref(message);
  }
  g_object_unref(session);
  return 0;
}
