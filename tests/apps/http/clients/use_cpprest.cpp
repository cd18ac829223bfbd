// cpprestsdk (Boost.Asio within) against the server of argv[1].
#include <cpprest/http_client.h>

#include <cstdio>

int main(int, char** words) {
  web::http::client::http_client client(words[1]);
  for (const char* path : {"/small.txt", "/large.txt", "/gone"}) {
    web::http::http_response response = client.request(web::http::methods::GET, path).get();
    std::printf("%d %zu\n", static_cast<int>(response.status_code()),
                response.extract_vector().get().size());
  }
  web::http::http_response response =
      client.request(web::http::methods::POST, "/gone", "a=b", "text/plain").get();
  std::printf("%d\n", static_cast<int>(response.status_code()));
  return 0;
}
