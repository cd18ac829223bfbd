// The resource of OTLP: where events of a process come from.
#pragma once

#include <string>

#include "shim/events/event.h"
#include "shim/metadata/metadata.h"

namespace telinject::otlp {

// An encoded Resource. The registry says where each attribute comes from; what the user has set in
// OTEL_RESOURCE_ATTRIBUTES is there, too.
std::string make_resource(const Metadata& metadata, const ProcessInfo& process);
// Of all processes of a session: without what is about one of them, but for the instance id and the
// version of the first.
std::string make_session_resource(const Metadata& metadata, const ProcessInfo& first);

}  // namespace telinject::otlp
