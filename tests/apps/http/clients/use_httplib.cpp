// cpp-httplib against the server of argv[1]; argv[2]: whom to trust.
#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <cstdio>

int main(int count, char** words) {
  httplib::Client client(words[1]);
  client.set_keep_alive(true);
  if (count > 2) client.set_ca_cert_path(words[2]);
  for (const char* path : {"/small.txt", "/large.txt", "/gone"}) {
    auto result = client.Get(path);
    if (!result) return 1;
    std::printf("%d %zu\n", result->status, result->body.size());
  }
  auto result = client.Post("/gone", "a=b", "text/plain");
  if (!result) return 1;
  std::printf("%d %zu\n", result->status, result->body.size());
  return 0;
}
