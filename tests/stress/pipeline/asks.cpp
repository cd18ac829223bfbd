// asks URL COUNT PAUSE-MS: asks a server COUNT times. Each request is made in a call that is the
// root of a trace. One in COUNT is for a path that is slow, one for a path that fails.
#include <curl/curl.h>

#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <string>

size_t forget(char*, size_t size, size_t count, void*) {
  return size * count;
}

long ask(CURL* curl, const std::string& url) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, forget);
  if (curl_easy_perform(curl) != CURLE_OK) return 0;
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

bool one_order(CURL* curl, const std::string& url) {
  return ask(curl, url) != 0;
}

__attribute__((no_instrument_function)) int main(int, char** words) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURL* curl = curl_easy_init();
  int count = std::atoi(words[2]), answered = 0;
  for (int i = 0; i < count; i++) {
    const char* path = i == count / 3 ? "/slow" : i == count / 2 ? "/fails" : "/order";
    answered += one_order(curl, std::string(words[1]) + path) ? 1 : 0;
    usleep(static_cast<useconds_t>(std::atoi(words[3])) * 1000);
  }
  curl_easy_cleanup(curl);
  std::printf("%d\n", answered);
}
