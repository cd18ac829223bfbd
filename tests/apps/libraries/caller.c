// A library, or a part of the program, that calls them.
int SSL_clear(void* ssl);
int SSL_shutdown(void* ssl);
int curl_easy_perform(void* handle);

// Another function of the program's, so that a call can be a jump (-O2), or not.
int NAME(void) {
#ifdef JUMP
  // As a program that has used it before.
  static char ssl[64];
  int first = SSL_clear(ssl);
  __asm__ volatile("" ::"r"(first) : "memory");
  return SSL_shutdown(ssl);
#else
  int result = SSL_shutdown(0);
  __asm__ volatile("" ::: "memory");
  return result;
#endif
}

int NAME_CURL(void) {
  int result = curl_easy_perform(0);
  __asm__ volatile("" ::: "memory");
  return result;
}
