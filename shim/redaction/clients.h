// Tables of programs that take passwords in options whose names do not say so, or in positional
// arguments. Data only; command_line.cpp applies it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace telinject::redaction {

enum class SecretPart : uint8_t {
  kAll,          // the value
  kAfterColon,   // user:password; a lone user is no secret
  kAfterSign,    // user%password
  kAfterComma,   // user,password
  kAfterSlash,   // user/password@database
  kAfterEquals,  // NAME=value
  kSource,       // the value, but not a reference such as file:x or env:X
};

struct ClientOption {
  std::string_view programs;  // names, each between spaces
  std::string_view option;    // "-p"
  bool attached;              // "-pX" carries it
  bool separate;              // "-p X" does
  SecretPart part;
  std::string_view behind = {};  // only behind that word: a subcommand
};

// Positional arguments.
struct ClientArgument {
  std::string_view programs;
  std::string_view after;  // that word; "" from the program's name on; "x*" one that begins so
  int skip;                // so many that are none
  int count;               // then so many that are
  SecretPart part;
};

// The rows of both tables for a program, by the name it was started with: with or without a path.
struct Client {
  std::span<const ClientOption* const> options;
  std::span<const ClientArgument* const> arguments;
  bool known() const { return !options.empty() || !arguments.empty(); }
};
Client client(std::string_view program);

// Programs that start another program, whose name follows and counts instead.
bool is_launcher(std::string_view program);

// curl's options without a value: before one that has one, they may be written together.
inline constexpr std::string_view kCurlFlags = "aBfgGiIjJkLlMnNOpqRsSvZ#01234 6";

// Options that make a program read a password from its input: echo X | passwd --stdin
bool reads_secret(std::string_view word);

}  // namespace telinject::redaction
