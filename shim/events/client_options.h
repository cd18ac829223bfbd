// Short options that carry passwords, of programs that are known for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace telinject {

enum class SecretPart {
  kAll,         // the value
  kAfterColon,  // user:password, and a lone user is none
  kAfterSign,   // user%password
  kAfterComma,  // user,password
};

struct ClientOption {
  std::string_view programs;  // names, each between spaces
  std::string_view option;    // "-p"
  bool attached;              // "-pX" carries it
  bool separate;              // "-p X" does
  SecretPart part;
};

// Those of a program, by the name it was started with: with or without a path.
std::vector<ClientOption> client_options(std::string_view program);

// Programs that start another one: the name that counts is behind them.
bool is_launcher(std::string_view program);

}  // namespace telinject
