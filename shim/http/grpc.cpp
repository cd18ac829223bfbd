#include "shim/http/grpc.h"

#include <iterator>

#include "shim/http/fields.h"

namespace telinject {

namespace {

constexpr std::string_view kStatusNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};
enum Status {
  kUnknown = 2,
  kDeadlineExceeded = 4,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

bool is_grpc_content(std::string_view content_type) {
  constexpr std::string_view kType = "application/grpc";
  if (!equal_ignoring_case(content_type.substr(0, kType.size()), kType)) return false;
  std::string_view rest = content_type.substr(kType.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';' || rest.front() == ' ';
}

GrpcNames grpc_names(std::string_view path) {
  path = path.substr(0, path.find('?'));
  size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash < 2 || slash + 1 == path.size()) return {};
  return {path.substr(1, slash - 1), path.substr(slash + 1)};
}

std::optional<int> parse_grpc_status(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  int status = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    status = status * 10 + (c - '0');
  }
  return status;
}

std::string grpc_status_name(int status) {
  auto index = static_cast<size_t>(status);
  return index < std::size(kStatusNames) ? std::string(kStatusNames[index])
                                         : "CODE_" + std::to_string(status);
}

bool is_grpc_error(int status, bool server) {
  if (status <= 0) return false;
  if (!server) return true;
  return status == kUnknown || status == kDeadlineExceeded || status == kUnimplemented ||
         status == kInternal || status == kUnavailable || status == kDataLoss;
}

std::string decode_grpc_message(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

}  // namespace telinject
