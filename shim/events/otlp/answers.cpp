#include "shim/events/otlp/answers.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "shim/delivery/header_list.h"
#include "shim/events/otlp/proto_fields.h"
#include "shim/sinks/compressor.h"

namespace telinject::otlp {

namespace {

using delivery::Answer;
using delivery::milliseconds;
using delivery::Verdict;
using protozero::pbf_reader;

constexpr int64_t kLongestPauseSeconds = 30;

struct Partial {
  uint64_t rejected = 0;
  std::string message;
};

// An empty one is a success, and so is one that cannot be read.
Partial partial_of_protobuf(std::string_view body) {
  Partial partial;
  try {
    pbf_reader response(body.data(), body.size());
    while (response.next(field::response::kPartialSuccess)) {
      pbf_reader reader = response.get_message();
      while (reader.next()) {
        if (reader.tag() == field::response::kRejected) {
          partial.rejected = static_cast<uint64_t>(std::max<int64_t>(reader.get_int64(), 0));
        } else if (reader.tag() == field::response::kMessage) {
          partial.message = reader.get_string();
        } else {
          reader.skip();
        }
      }
    }
  } catch (const protozero::exception&) {
    return {};
  }
  return partial;
}

uint64_t number_of(const nlohmann::json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  uint64_t number = 0;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number;
}

Partial partial_of_json(std::string_view body) {
  using nlohmann::json;
  json document = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document["partialSuccess"].is_object()) return {};
  Partial partial;
  for (const auto& [name, value] : document["partialSuccess"].items()) {
    if (name.starts_with("rejected")) partial.rejected = number_of(value);
    if (name == "errorMessage" && value.is_string()) partial.message = value.get<std::string>();
  }
  return partial;
}

std::string message_of_json(std::string_view body) {
  using nlohmann::json;
  json document = json::parse(body, nullptr, /*allow_exceptions=*/false);
  bool has = document.is_object() && document["message"].is_string();
  return has ? document["message"].get<std::string>() : std::string(body);
}

// google.rpc.Status
struct Status {
  std::string message;
  std::optional<milliseconds> retry_after;
};

std::optional<milliseconds> retry_delay(pbf_reader retry_info) {
  std::optional<milliseconds> delay;
  while (retry_info.next(field::status::kRetryDelay)) {
    pbf_reader duration = retry_info.get_message();
    int64_t seconds = 0, nanos = 0;
    while (duration.next()) {
      (duration.tag() == field::status::kSeconds ? seconds : nanos) = duration.get_int64();
    }
    constexpr int64_t kNsPerMs = 1000000, kMsPerSecond = 1000;
    seconds = std::clamp<int64_t>(seconds, 0, kLongestPauseSeconds);
    nanos = std::clamp<int64_t>(nanos, 0, kNsPerMs * kMsPerSecond);
    delay = std::min(milliseconds(seconds * kMsPerSecond + nanos / kNsPerMs),
                     milliseconds(kLongestPauseSeconds * kMsPerSecond));
  }
  return delay;
}

Status read_rpc_status(std::string_view bytes) {
  Status status;
  try {
    pbf_reader reader(bytes.data(), bytes.size());
    while (reader.next()) {
      if (reader.tag() == field::status::kMessage) {
        status.message = reader.get_string();
      } else if (reader.tag() == field::status::kDetails) {
        std::string type, value;
        pbf_reader any = reader.get_message();
        while (any.next()) (any.tag() == field::status::kTypeUrl ? type : value) = any.get_string();
        if (!type.ends_with("google.rpc.RetryInfo")) continue;
        status.retry_after = retry_delay(pbf_reader(value.data(), value.size()));
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception&) {
    return status;
  }
  return status;
}

// What a receiver compressed, 64 KiB at most; "" if it cannot be read.
std::string unpacked(std::string_view packed, std::string_view encoding) {
  constexpr size_t kMost = 64 << 10;
  std::string text;
  bool good = (encoding == "gzip" && unpack_gzip(packed, kMost, &text)) ||
              (encoding == "zstd" && unpack_zstd(packed, kMost, &text));
  return good ? text : std::string();
}

void take(const Partial& partial, size_t items, Verdict* verdict) {
  verdict->rejected = std::min<uint64_t>(partial.rejected, items);
  verdict->message = partial.message;
}

class HttpAnswers final : public delivery::AnswerReader {
 public:
  explicit HttpAnswers(Format format) : json_(format == Format::kJson) {}

  Verdict read(const Answer& answer, size_t items) const override {
    Verdict verdict = delivery::read_status(answer);
    if (verdict.kind == Verdict::kAccepted) {
      take(json_ ? partial_of_json(answer.body) : partial_of_protobuf(answer.body), items,
           &verdict);
      return verdict;
    }
    std::string_view type = answer.field("content-type");
    std::string message;
    if (type.starts_with("application/x-protobuf")) {
      message = read_rpc_status(answer.body).message;
    } else if (type.starts_with("application/json")) {
      message = message_of_json(answer.body);
    }
    if (!message.empty()) verdict.message = message;
    return verdict;
  }

 private:
  const bool json_;
};

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html, and what OTLP says to each.
Verdict::Kind meaning_of(int code, bool has_retry_info) {
  enum : int {
    kOk = 0,
    kCancelled = 1,
    kDeadlineExceeded = 4,
    kPermissionDenied = 7,
    kResourceExhausted = 8,
    kAborted = 10,
    kOutOfRange = 11,
    kUnimplemented = 12,
    kUnavailable = 14,
    kDataLoss = 15,
    kUnauthenticated = 16,
  };
  switch (code) {
    case kOk:
      return Verdict::kAccepted;
    case kCancelled:
    case kDeadlineExceeded:
    case kAborted:
    case kOutOfRange:
    case kUnavailable:
    case kDataLoss:
      return Verdict::kRetry;
    case kResourceExhausted:
      return has_retry_info ? Verdict::kRetry : Verdict::kTooLarge;
    case kPermissionDenied:
    case kUnimplemented:
    case kUnauthenticated:
      return Verdict::kStop;
    default:
      return Verdict::kRefused;
  }
}

class GrpcAnswers final : public delivery::AnswerReader {
 public:
  Verdict read(const Answer& answer, size_t items) const override {
    std::string_view text = answer.field("grpc-status");
    int code = -1;
    auto end = std::from_chars(text.data(), text.data() + text.size(), code);
    if (text.empty() || end.ptr != text.data() + text.size()) return without_status(answer);
    Status status = details_of(answer);
    Verdict verdict;
    verdict.kind = meaning_of(code, status.retry_after.has_value());
    verdict.message = delivery::percent_decoded(answer.field("grpc-message"));
    verdict.retry_after = status.retry_after;
    if (verdict.kind == Verdict::kAccepted) {
      take(partial_of_protobuf(message_of(answer)), items, &verdict);
    } else if (verdict.kind != Verdict::kAccepted && verdict.message.empty()) {
      verdict.message = "grpc-status " + std::to_string(code);
    }
    return verdict;
  }

 private:
  // What stands between may have answered, in HTTP's words.
  static Verdict without_status(const Answer& answer) {
    Verdict verdict = delivery::read_status(answer);
    if (verdict.kind != Verdict::kAccepted) return verdict;
    verdict.kind = Verdict::kRefused;
    verdict.message = "no gRPC answer: is this a gRPC endpoint?";
    return verdict;
  }

  // The frame is a byte that says if it is compressed, and the length. "" if it cannot be read.
  static std::string message_of(const Answer& answer) {
    constexpr size_t kFrame = 5;
    if (answer.body.size() <= kFrame) return {};
    std::string_view message = std::string_view(answer.body).substr(kFrame);
    return answer.body[0] == 0 ? std::string(message)
                               : unpacked(message, answer.field("grpc-encoding"));
  }

  static Status details_of(const Answer& answer) {
    std::string bytes;
    std::string_view text = answer.field("grpc-status-details-bin");
    if (text.empty() ||
        !absl::Base64Unescape(absl::string_view(text.data(), text.size()), &bytes)) {
      return {};
    }
    return read_rpc_status(bytes);
  }
};

}  // namespace

std::shared_ptr<const delivery::AnswerReader> http_answers(Format format) {
  return std::make_shared<HttpAnswers>(format);
}

std::shared_ptr<const delivery::AnswerReader> grpc_answers() {
  return std::make_shared<GrpcAnswers>();
}

}  // namespace telinject::otlp
