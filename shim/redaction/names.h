// Decides which names announce a secret: one set of rules for headers, parameters, options,
// assignments, JSON members and words in sentences. docs/redaction.md shows the tables of
// names.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telinject::redaction {

enum class Secrecy : uint8_t {
  kNone,
  kOnTheWire,  // as the name of a header or of a URL's parameter only: key, code, session, ...
  kAnywhere,   // password, token, api_key, ...
  kLine,       // authorization, cookie: all of the line behind the colon
};

// Accepts any spelling of a name: Api-Key, API_KEY, apiKey, --api-key.
Secrecy secrecy_of(std::string_view name);

// In small letters, with underscores for dashes: how users' patterns are compared.
std::string normalised_name(std::string_view name);

// True for values of this name that are no secrets: auth=basic, PWD=/home/me, -pass 1,
// max_tokens=100.
bool is_harmless(std::string_view name, std::string_view value);

}  // namespace telinject::redaction
