// POCO's HTTPClientSession and HTTPSClientSession against the server of argv[1]; argv[2]: whom to
// trust.
#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/HTTPSClientSession.h>
#include <Poco/StreamCopier.h>
#include <Poco/URI.h>

#include <cstdio>
#include <memory>

using namespace Poco::Net;

int main(int, char** words) {
  Poco::URI base(words[1]);
  std::unique_ptr<HTTPClientSession> session;
  if (base.getScheme() == "https") {
    Context::Ptr context(new Context(Context::CLIENT_USE, "", "", words[2]));
    session.reset(new HTTPSClientSession(base.getHost(), base.getPort(), context));
  } else {
    session.reset(new HTTPClientSession(base.getHost(), base.getPort()));
  }
  session->setKeepAlive(true);
  for (const char* path : {"/small.txt", "/large.txt", "/gone"}) {
    HTTPRequest request(HTTPRequest::HTTP_GET, path, HTTPRequest::HTTP_1_1);
    session->sendRequest(request);
    HTTPResponse response;
    std::string body;
    Poco::StreamCopier::copyToString(session->receiveResponse(response), body);
    std::printf("%d %zu\n", static_cast<int>(response.getStatus()), body.size());
  }
  return 0;
}
