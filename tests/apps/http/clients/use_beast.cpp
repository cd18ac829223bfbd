// Boost.Beast against the server of argv[1] (http://HOST:PORT): three requests on one connection,
// and one asynchronously. Beast writes a header block in pieces.
#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <cstdio>
#include <string>

namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;

static http::request<http::empty_body> request_of(const char* path, const std::string& host) {
  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, host);
  request.set(http::field::user_agent, "use_beast");
  return request;
}

static void tell(const http::response<http::string_body>& response) {
  std::printf("%d %zu\n", static_cast<int>(response.result_int()), response.body().size());
}

static void one_after_another(const tcp::endpoint& server, const std::string& host) {
  boost::asio::io_context io;
  beast::tcp_stream stream(io);
  stream.connect(server);
  for (const char* path : {"/small.txt", "/large.txt", "/gone"}) {
    http::write(stream, request_of(path, host));
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(stream, buffer, response);
    tell(response);
  }
}

static void asynchronously(const tcp::endpoint& server, const std::string& host) {
  boost::asio::io_context io;
  beast::tcp_stream stream(io);
  auto request = request_of("/1.txt", host);
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  stream.async_connect(server, [&](beast::error_code) {
    http::async_write(stream, request, [&](beast::error_code, size_t) {
      http::async_read(stream, buffer, response,
                       [&](beast::error_code, size_t) { tell(response); });
    });
  });
  io.run();
}

int main(int, char** words) {
  std::string host = std::string(words[1]).substr(7);
  auto port = static_cast<unsigned short>(std::stoi(host.substr(host.find(':') + 1)));
  tcp::endpoint server(boost::asio::ip::make_address("127.0.0.1"), port);
  one_after_another(server, host);
  asynchronously(server, host);
  return 0;
}
