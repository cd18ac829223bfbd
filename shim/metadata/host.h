// The machine. v3, section 11.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/metadata/surroundings.h"

namespace telinject {

struct Host {
  std::string name;            // gethostname
  std::string ip;              // primary private IPv4; "" if the machine has only a loopback
  std::string public_ip;       // as cloud metadata have it; no other service is asked
  std::string os_description;  // "Linux 6.1.0-18-amd64"
};

// An IPv4 address of an interface that is up, in host order.
struct InterfaceAddress {
  std::string interface;
  uint32_t address;
};
// The primary one: private before public, then on the interface of the default route, then the
// first.
std::string choose_address(const std::vector<InterfaceAddress>& addresses,
                           const std::string& default_interface);
// From /proc/net/route; "" if there is none.
std::string default_interface(std::string_view routes);

Host find_host(const Surroundings& around);

}  // namespace telinject
