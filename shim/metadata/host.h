// The machine.
#pragma once

#include <string>

namespace telinject {

struct Host {
  std::string name;            // gethostname
  std::string ip;              // primary private IPv4; "" if the machine has only a loopback
  std::string os_description;  // "Linux 6.1.0-18-amd64"
};

Host find_host();

}  // namespace telinject
