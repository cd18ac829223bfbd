// serves ADDRESS PORT: answers until SIGTERM. /slow takes 0.6 s, /fails answers 500; each handler
// makes calls.
#include <httplib.h>

#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <string>

static httplib::Server* g_server;

int price(const std::string& item) {
  return static_cast<int>(item.size()) * 7;
}

int total(int items) {
  int sum = 0;
  for (int i = 0; i < items; i++) sum += price(std::to_string(i));
  return sum;
}

int take_order(const std::string& path, std::string* text) {
  if (path == "/slow") usleep(600'000);
  *text = std::to_string(total(5));
  return path == "/fails" ? 500 : 200;
}

__attribute__((no_instrument_function)) static void answer(const httplib::Request& request,
                                                           httplib::Response& response) {
  std::string text;
  response.status = take_order(request.path, &text);
  response.set_content(text, "text/plain");
}

__attribute__((no_instrument_function)) static void stop(int) {
  g_server->stop();
}

__attribute__((no_instrument_function)) int main(int, char** words) {
  httplib::Server server;
  g_server = &server;
  server.new_task_queue = [] __attribute__((no_instrument_function)) {
    return new httplib::ThreadPool(32);
  };
  std::signal(SIGTERM, stop);
  server.Get(".*", answer);
  return server.listen(words[1], std::atoi(words[2])) ? 0 : 1;
}
