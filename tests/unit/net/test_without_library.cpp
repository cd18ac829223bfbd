// Requests on a machine without libcurl.
#include <sys/eventfd.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "shim/net/http_transfers.h"

using namespace telinject::net;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

extern "C" void* dlopen(const char*, int) noexcept {
  return nullptr;
}

TEST_CASE("a request is refused, and says what is missing") {
  HttpTransfers transfers;
  HttpResponse got;
  transfers.start(7, {.url = "http://127.0.0.1:1/"});
  transfers.run(1h, -1, [&](uint64_t, HttpResponse response) { got = std::move(response); });
  CHECK(got.failure == HttpFailure::kUnusable);
  CHECK(got.reason.find("apt-get install") != std::string::npos);
}

TEST_CASE("waiting without requests takes its time, until it is woken") {
  HttpTransfers transfers;
  auto none = [](uint64_t, HttpResponse) { FAIL("nothing was asked"); };
  int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  auto begin = steady_clock::now();
  transfers.run(50ms, wake, none);
  CHECK(steady_clock::now() - begin >= 50ms);
  eventfd_write(wake, 1);
  transfers.run(1h, wake, none);
  close(wake);
}
