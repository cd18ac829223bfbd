// Fetches pages and counts their links: calls, HTTP requests and exceptions in one trace.
//
//     telc++ -O2 examples/fetch.cpp -lcurl -o fetch
//     telrun --report -o fetch.jsonl ./fetch http://localhost:8000/ http://localhost:8000/nothing
#include <curl/curl.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

size_t append(char* data, size_t size, size_t count, void* page) {
  static_cast<std::string*>(page)->append(data, size * count);
  return size * count;
}

// Throws if there is no page.
std::string fetch(const std::string& url) {
  Handle handle(curl_easy_init(), curl_easy_cleanup);
  std::string page;
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &page);
  CURLcode result = curl_easy_perform(handle.get());
  if (result != CURLE_OK) throw std::runtime_error(curl_easy_strerror(result));
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) throw std::runtime_error("status " + std::to_string(status));
  return page;
}

int count_links(const std::string& page) {
  int links = 0;
  for (size_t at = page.find("<a "); at != std::string::npos; at = page.find("<a ", at + 1))
    links++;
  return links;
}

bool report(const std::string& url) {
  try {
    std::printf("%s: %d links\n", url.c_str(), count_links(fetch(url)));
    return true;
  } catch (const std::exception& error) {
    std::printf("%s: %s\n", url.c_str(), error.what());
    return false;
  }
}

}  // namespace

int main(int count, char** words) {
  bool good = true;
  for (int i = 1; i < count; i++) good = report(words[i]) && good;
  return good ? 0 : 1;
}
