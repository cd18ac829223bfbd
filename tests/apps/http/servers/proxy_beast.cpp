// An asynchronous reverse proxy on Boost.Beast.
//
//   proxy_beast PORT UPSTREAM_PORT THREADS HOW
//
// HOW it gets connections to the upstream server:
//   own     one for each request
//   keep    one that is free, else a new one
//   queue   each request that finds none free makes one, and waits; connections, new ones and such
//           as become free, go to those that wait in the order in which they came
#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Stream = std::shared_ptr<beast::tcp_stream>;
using Take = std::function<void(Stream)>;

class Upstream {
 public:
  Upstream(asio::io_context& context, unsigned short port, std::string how)
      : context_(context), server_(asio::ip::address_v4::loopback(), port), how_(std::move(how)) {}

  void get(Take take) {
    {
      std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        Stream stream = free_.back();
        free_.pop_back();
        return asio::post(context_, [stream, take] { take(stream); });
      }
      if (how_ == "queue") waiting_.push_back(take);
    }
    auto stream = std::make_shared<beast::tcp_stream>(asio::make_strand(context_));
    stream->async_connect(server_, [this, stream, take](beast::error_code error) {
      if (error) return;
      if (how_ == "queue") return give(stream);
      take(stream);
    });
  }
  void give_back(const Stream& stream) {
    if (how_ != "own") give(stream);
  }

 private:
  void give(const Stream& stream) {
    Take next;
    {
      std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        free_.push_back(stream);
        return;
      }
      next = waiting_.front();
      waiting_.pop_front();
    }
    next(stream);
  }

  asio::io_context& context_;
  tcp::endpoint server_;
  std::string how_;
  std::mutex mutex_;
  std::vector<Stream> free_;
  std::deque<Take> waiting_;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Upstream& upstream)
      : client_(std::move(socket)), upstream_(upstream) {}

  void read() {
    request_ = {};
    auto self = shared_from_this();
    http::async_read(client_, buffer_, request_, [self](beast::error_code error, size_t) {
      if (!error) self->upstream_.get([self](Stream stream) { self->ask(std::move(stream)); });
    });
  }

 private:
  void ask(Stream stream) {
    server_ = std::move(stream);
    auto self = shared_from_this();
    http::async_write(*server_, request_, [self](beast::error_code error, size_t) {
      if (!error) self->hear();
    });
  }
  void hear() {
    answer_ = {};
    auto self = shared_from_this();
    http::async_read(*server_, server_buffer_, answer_, [self](beast::error_code error, size_t) {
      if (error) return;
      self->upstream_.give_back(self->server_);
      self->server_.reset();
      self->answer();
    });
  }
  void answer() {
    auto self = shared_from_this();
    http::async_write(client_, answer_, [self](beast::error_code error, size_t) {
      if (!error) self->read();
    });
  }

  beast::tcp_stream client_;
  Upstream& upstream_;
  Stream server_;
  beast::flat_buffer buffer_, server_buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> answer_;
};

static void accept_one(tcp::acceptor& acceptor, asio::io_context& context, Upstream& upstream) {
  acceptor.async_accept(asio::make_strand(context),
                        [&](beast::error_code error, tcp::socket socket) {
                          if (error) return;
                          std::make_shared<Session>(std::move(socket), upstream)->read();
                          accept_one(acceptor, context, upstream);
                        });
}

int main(int count, char** arguments) {
  if (count != 5) return 2;
  int threads = std::atoi(arguments[3]);
  asio::io_context context(threads);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(),
                                   static_cast<unsigned short>(std::atoi(arguments[1]))});
  Upstream upstream(context, static_cast<unsigned short>(std::atoi(arguments[2])), arguments[4]);
  asio::signal_set ends(context, SIGTERM);
  ends.async_wait([&](beast::error_code, int) { context.stop(); });
  accept_one(acceptor, context, upstream);
  std::vector<std::thread> running;
  for (int i = 1; i < threads; i++) running.emplace_back([&] { context.run(); });
  context.run();
  for (std::thread& thread : running) thread.join();
}
