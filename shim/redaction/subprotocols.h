// Bearer tokens in Sec-WebSocket-Protocol.
#pragma once

#include <string>
#include <string_view>

namespace telinject::redaction {

// True for the header's name.
bool is_subprotocols(std::string_view name);
// Its value without tokens. Clients that cannot set headers offer them as subprotocols:
// "access_token, x", and Kubernetes' "base64url.bearer.authorization.k8s.io.x".
std::string redact_subprotocols(std::string_view value);

}  // namespace telinject::redaction
