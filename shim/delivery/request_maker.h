// Makes HTTP requests of pieces of batches: framed, compressed, with the endpoint's headers.
#pragma once

#include <memory>
#include <string>

#include "shim/delivery/dispatch.h"
#include "shim/delivery/endpoint.h"
#include "shim/net/http_request.h"
#include "shim/sinks/compressor.h"

namespace telinject::delivery {

// For one thread: it keeps memory for its work.
class RequestMaker {
 public:
  explicit RequestMaker(const Endpoint& endpoint);
  // *body_bytes: before compression. A body that finds no memory to be compressed is sent as it is.
  net::HttpRequest make(const Piece& piece, uint64_t* body_bytes);

 private:
  bool compress(std::string* body);

  const Endpoint& endpoint_;
  std::unique_ptr<Compressor> compressor_;
};

}  // namespace telinject::delivery
