// The beginning of an HTTP/1 message whose header block http_parser reads. It knows a table of
// methods; any token is one (RFC 9110, section 9.1). So the method is read here, and the parser is
// given one that it knows in its place.
//
// Async-signal-safe.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// The character of a token (RFC 9110, section 5.6.2).
bool is_token_character(uint8_t byte);

enum class StartLine : uint8_t {
  kUnfinished,  // the method goes on in the bytes to come
  kReady,       // the direction's parser goes on at *at
  kNoHttp,
};

// Reads on in a message that has begun (stage kStart), and moves *at.
StartLine read_start_line(Connection& connection, Way way, const uint8_t** at, const uint8_t* end);

}  // namespace telinject::program
