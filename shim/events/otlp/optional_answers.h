// Answers to a signal that was not asked for, but is sent by default: a receiver that does not know
// it is no problem that the user should hear of.
#pragma once

#include <atomic>
#include <memory>

#include "shim/delivery/endpoint.h"

namespace telinject::otlp {

// Sets `unwanted` if the receiver says so: HTTP's 404, gRPC's UNIMPLEMENTED. The items count as
// accepted then. All other answers mean what `reader` says.
std::shared_ptr<const delivery::AnswerReader> optional_answers(
    std::shared_ptr<const delivery::AnswerReader> reader,
    std::shared_ptr<std::atomic<bool>> unwanted);

}  // namespace telinject::otlp
