// POCO's HTTPServer: serves what it is asked for, on port argv[1]; logs "METHOD PATH STATUS". Ends
// at SIGTERM.
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/ServerSocket.h>

#include <csignal>
#include <cstdio>

using namespace Poco::Net;

class Handler : public HTTPRequestHandler {
 public:
  void handleRequest(HTTPServerRequest& request, HTTPServerResponse& response) override {
    int status = request.getURI() == "/none" || request.getURI() == "/missing" ? 404 : 200;
    response.setStatus(static_cast<HTTPResponse::HTTPStatus>(status));
    std::string body = "served " + request.getURI() + "\n";
    response.sendBuffer(body.data(), body.size());
    std::printf("%s %s %d\n", request.getMethod().c_str(), request.getURI().c_str(), status);
    std::fflush(stdout);
  }
};

class Factory : public HTTPRequestHandlerFactory {
 public:
  HTTPRequestHandler* createRequestHandler(const HTTPServerRequest&) override {
    return new Handler;
  }
};

int main(int, char** words) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigprocmask(SIG_BLOCK, &wanted, nullptr);
  ServerSocket socket(SocketAddress("127.0.0.1", words[1]));
  HTTPServer server(new Factory, socket, new HTTPServerParams);
  server.start();
  int number;
  sigwait(&wanted, &number);
  server.stop();
  return 0;
}
