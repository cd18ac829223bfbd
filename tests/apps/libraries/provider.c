// A library that stands for OpenSSL, or for libcurl: functions that say which library they are of.
int SSL_shutdown(void* ssl) {
  (void)ssl;
  return ID;
}

int SSL_clear(void* ssl) {
  (void)ssl;
  return ID;
}

int curl_easy_perform(void* handle) {
  (void)handle;
  return ID;
}
