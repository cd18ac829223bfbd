// A receiver of batches: where it is, how it is spoken to, and what its answers mean.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace telinject::delivery {

using std::chrono::milliseconds;

struct Answer {
  int status = 0;  // of HTTP
  // As received, trailers (gRPC's status) in a list of their own; names in any case.
  std::vector<std::pair<std::string, std::string>> headers = {}, trailers = {};
  std::string body = {};     // its beginning, Endpoint::answer_bytes at most
  bool body_is_cut = false;  // there was more
  int64_t now_seconds = 0;   // since 1970, when it was received: for Retry-After dates

  // Of the trailers, else of the headers; "" if there is none.
  std::string_view field(std::string_view name) const;
};

// What an answer means for the items of its request.
struct Verdict {
  enum Kind : uint8_t {
    kAccepted,  // but for `rejected` of them
    kTooLarge,  // halve and send again
    kRetry,     // send again, after a while
    kRefused,   // never send these items again
    kStop,      // never send anything there again: 401, 403, 404
  };
  Kind kind = kAccepted;
  uint64_t rejected = 0;      // kAccepted: how many of the items the receiver did not take
  std::vector<size_t> again;  // kAccepted: those to be sent again, from 0; not among the rejected
  // kRetry, and kAccepted with `again`: how long the receiver wants to be left alone.
  std::optional<milliseconds> retry_after = std::nullopt;
  std::string message;  // the receiver's words, as they are; told escaped and shortened
};

// Of one format. Answers may be of any bytes: they come from the net.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  // Called by the threads of Delivery. `items`: how many the request had.
  virtual Verdict read(const Answer& answer, size_t items) const = 0;
};

// By the status alone: 2xx accepted; 429, 502, 503, 504 retry; 413, and 400 whose text says "too
// large", too large; 401, 403, 404 stop; all others refused. Readers of formats begin with it.
Verdict read_status(const Answer& answer);
// Of a Retry-After header, in seconds or as a date of HTTP; nullopt if there is none. At most 30 s.
std::optional<milliseconds> retry_after(const Answer& answer);
std::optional<milliseconds> parse_retry_after(std::string_view value, int64_t now_seconds);

// For receivers that say everything by the status.
class StatusReader final : public AnswerReader {
 public:
  Verdict read(const Answer& answer, size_t) const override { return read_status(answer); }
};

enum class Compression : uint8_t { kNone, kGzip, kZstd };

struct Endpoint {
  std::string name;    // for the user: "http", "otlp traces"
  std::string output;  // as --output= has it: "http", "otlp"
  std::string url;     // http or https; may have a user and password, which are never told
  // "Name: value", Content-Type among them, Content-Encoding not. Secrets are never told.
  std::vector<std::string> headers;
  Compression compression = Compression::kNone;
  milliseconds connect_timeout{2000}, request_timeout{10000};
  std::string ca_file;                         // PEM; "": the system's
  std::string client_certificate, client_key;  // PEM; "": none
  bool insecure = false;                       // take any certificate
  // HTTP/2 from the first byte over http (over https it is negotiated), bodies in gRPC's frame of
  // five bytes; compression is within the frame, and `headers` have grpc-encoding.
  bool grpc = false;
  // False: an answer that did not come in time is a loss (`timeout`), for the request may have been
  // processed.
  bool retry_timeouts = true;
  size_t answer_bytes = 64 << 10;
  std::shared_ptr<const AnswerReader> reader;  // never null
};

// The URL as it may be told: without user, password and query.
std::string url_to_tell(std::string_view url);

}  // namespace telinject::delivery
