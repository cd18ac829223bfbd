// Credentials must not leave the machine: they are taken out before anything is written.
#pragma once

#include <string>
#include <string_view>

namespace telinject {

inline constexpr std::string_view kRedacted = "REDACTED";

// A command line (arguments joined by spaces) with the values of secret-looking options and
// assignments, of headers that carry credentials and of such parameters in queries, the credentials
// in URLs, and AWS access key ids replaced:
//   --password=x --api-key x TOKEN=x -H Authorization: x https://user:pass@host?sig=x AKIA...
// Where one argument ends and the next begins is not known: a header's value ends at the next
// option or URL.
std::string redact_command_line(std::string_view command_line);

// True for the name of something that holds a secret: password, token, secret, api key, ...
bool is_secret_name(std::string_view name);

}  // namespace telinject
