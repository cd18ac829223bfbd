// Reads a gRPC call from its HTTP/2 exchange: names from the path, status from the trailers.
// Source: grpc's PROTOCOL-HTTP2.md and statuscodes.md; which statuses are errors: OpenTelemetry's
// semantic conventions for gRPC.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace telinject {

// A request's Content-Type: application/grpc, with or without +proto and the like. gRPC-Web is
// another protocol, which has its status in the body.
bool is_grpc_content(std::string_view content_type);

// "/package.Service/Method". Empty texts if the path is of another form.
struct GrpcNames {
  std::string_view service, method;
};
GrpcNames grpc_names(std::string_view path);

// Parses grpc-status (0 is OK). Nullopt if it is not a small number.
std::optional<int> parse_grpc_status(std::string_view text);
// "UNAVAILABLE"; "CODE_99" for one that has no name.
std::string grpc_status_name(int status);
// Whether this status is an error: for a client everything but OK, for a server only what the
// caller did not cause.
bool is_grpc_error(int status, bool server);

// A grpc-message, whose bytes may be percent-encoded.
std::string decode_grpc_message(std::string_view text);

}  // namespace telinject
