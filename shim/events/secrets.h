// What is a secret, by its name or by its looks: the lists that all redaction shares.
//
// Names are taken in any writing: Api-Key, API_KEY, apikey.
#pragma once

#include <string>
#include <string_view>

namespace telinject {

inline constexpr std::string_view kRedacted = "REDACTED";

// In small letters, with underscores for dashes.
std::string normalised_name(std::string_view name);

// True for the name of something that holds a secret: password, token, secret, api key, ...
bool is_secret_name(std::string_view name);
// The same of a header and of a parameter in a URL, some of which have names that do not say it.
bool is_secret_header(std::string_view name);
bool is_secret_query(std::string_view name);

// https://user:password@host -> https://REDACTED:REDACTED@host, wherever there is one.
void redact_users(std::string* text);

// Replaces tokens that are known by their looks (AWS key ids, GitHub's, JWTs, ...) and private keys
// in PEM.
void redact_tokens(std::string* text);

}  // namespace telinject
