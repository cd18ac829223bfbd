// What answers of OTLP receivers mean: over HTTP (protobuf, JSON) and gRPC.
#pragma once

#include <memory>

#include "shim/delivery/endpoint.h"
#include "shim/events/otlp/framing.h"

namespace telinject::otlp {

// A request may be accepted in part; a refusal has its reason in a google.rpc.Status.
std::shared_ptr<const delivery::AnswerReader> http_answers(Format format);
// The status is in the trailers, or in the headers of an answer without a body.
std::shared_ptr<const delivery::AnswerReader> grpc_answers();

}  // namespace telinject::otlp
