#include "shim/metadata/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "absl/strings/str_split.h"

namespace telinject {

namespace {

constexpr bool in(uint32_t address, uint32_t network, int bits) {
  return (address ^ network) >> (32 - bits) == 0;
}

constexpr bool is_link_local(uint32_t address) {
  return in(address, 0xa9fe0000, 16);  // 169.254/16
}

// RFC 1918, and 100.64/10, from which clouds and overlays number private networks as well.
constexpr bool is_private(uint32_t address) {
  return in(address, 0x0a000000, 8) || in(address, 0xac100000, 12) || in(address, 0xc0a80000, 16) ||
         in(address, 0x64400000, 10);
}

// The host's name is not looked up: on Debian it resolves to 127.0.1.1, and a resolver may be slow.
std::vector<InterfaceAddress> addresses() {
  std::vector<InterfaceAddress> found;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return found;
  for (ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if ((entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_LOOPBACK) != 0) continue;
    uint32_t address =
        ntohl(reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr.s_addr);
    if (!is_link_local(address)) found.push_back({entry->ifa_name, address});
  }
  freeifaddrs(list);
  return found;
}

}  // namespace

std::string choose_address(const std::vector<InterfaceAddress>& addresses,
                           const std::string& default_interface) {
  const InterfaceAddress* best = nullptr;
  auto rank = [&](const InterfaceAddress& one) {
    return (is_private(one.address) ? 2 : 0) + (one.interface == default_interface ? 1 : 0);
  };
  for (const InterfaceAddress& one : addresses) {
    if (best == nullptr || rank(one) > rank(*best)) best = &one;
  }
  if (best == nullptr) return {};
  in_addr address = {htonl(best->address)};
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &address, text, sizeof text) != nullptr ? text : "";
}

std::string default_interface(std::string_view routes) {
  // Interface, destination, gateway, ...: a header, then a line each.
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(routes.data(), routes.size()), '\n')) {
    std::vector<std::string> fields =
        absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    if (fields.size() > 2 && fields[1] == "00000000") return fields[0];
  }
  return {};
}

Host find_host(const Surroundings& around) {
  Host host;
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, sizeof name - 1) == 0) host.name = name;
  if (host.name.empty()) host.name = "unknown";
  host.ip = choose_address(addresses(), default_interface(around.file("/proc/net/route")));
  utsname system = {};
  if (uname(&system) == 0) host.os_description = std::string(system.sysname) + " " + system.release;
  return host;
}

}  // namespace telinject
