#include "shim/delivery/request_maker.h"

#include <utility>

namespace telinject::delivery {

namespace {

std::unique_ptr<Compressor> compressor_of(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return nullptr;
    case Compression::kGzip:
      return make_gzip();
    case Compression::kZstd:
      return make_zstd();
  }
  return nullptr;
}

// gRPC's: whether the message is compressed, and its length, the highest byte first.
void add_grpc_frame(bool compressed, std::string* body) {
  auto size = static_cast<uint32_t>(body->size());
  const char head[] = {compressed ? '\1' : '\0', static_cast<char>(size >> 24),
                       static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                       static_cast<char>(size)};
  body->insert(0, head, sizeof head);
}

}  // namespace

RequestMaker::RequestMaker(const Endpoint& endpoint)
    : endpoint_(endpoint), compressor_(compressor_of(endpoint.compression)) {}

bool RequestMaker::compress(std::string* body) {
  std::string packed;
  if (compressor_ == nullptr || !compressor_->compress(*body, &packed)) return false;
  *body = std::move(packed);
  return true;
}

net::HttpRequest RequestMaker::make(const Piece& piece, uint64_t* body_bytes) {
  net::HttpRequest request;
  request.method = "POST";
  request.url = endpoint_.url;
  request.headers = endpoint_.headers;
  piece.batch->framing->append_body(*piece.batch, piece.from, piece.to, &request.body);
  *body_bytes = request.body.size();
  bool compressed = compress(&request.body);
  if (endpoint_.grpc) {
    add_grpc_frame(compressed, &request.body);
  } else if (compressed) {
    bool gzip = endpoint_.compression == Compression::kGzip;
    request.headers.emplace_back(gzip ? "Content-Encoding: gzip" : "Content-Encoding: zstd");
  }
  request.ca_file = endpoint_.ca_file;
  request.system_tls = true;
  request.client_certificate = endpoint_.client_certificate;
  request.client_key = endpoint_.client_key;
  request.insecure = endpoint_.insecure;
  request.http2_at_once = endpoint_.grpc && endpoint_.url.starts_with("http://");
  request.connect_timeout = endpoint_.connect_timeout;
  request.timeout = endpoint_.request_timeout;
  request.max_bytes = endpoint_.answer_bytes;
  return request;
}

}  // namespace telinject::delivery
