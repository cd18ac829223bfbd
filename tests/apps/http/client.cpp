// Asks for each URL in turn with libcurl, from within some functions of ours.
//
//     client CA URL...      prints the statuses
#include <curl/curl.h>

#include <cstdio>
#include <string>

size_t keep(char* data, size_t size, size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

long fetch(CURL* curl, const char* url) {
  std::string body;
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  long status = 0;
  CURLcode result = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (result != CURLE_OK) fprintf(stderr, "%s: %s\n", url, curl_easy_strerror(result));
  printf("%ld %s", status, body.empty() ? "\n" : body.c_str());
  return status;
}

void visit_all(CURL* curl, char** urls, int count) {
  for (int i = 0; i < count; i++) fetch(curl, urls[i]);
}

int main(int count, char** arguments) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURL* curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_CAINFO, arguments[1]);
  visit_all(curl, arguments + 2, count - 2);
  curl_easy_cleanup(curl);
  curl_global_cleanup();
}
