#include "shim/metadata/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace telinject {

namespace {

constexpr uint32_t kLinkLocal = 0xa9fe0000, kLinkLocalMask = 0xffff0000;  // 169.254/16

// The first IPv4 address of an interface that is up. The host's name is not looked up: on Debian it
// resolves to 127.0.1.1, and a resolver may be slow.
std::string primary_ip() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  std::string found;
  for (ifaddrs* entry = list; entry != nullptr && found.empty(); entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if ((entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
    if ((ntohl(address->sin_addr.s_addr) & kLinkLocalMask) == kLinkLocal) continue;
    char text[INET_ADDRSTRLEN];
    if (inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) != nullptr) found = text;
  }
  freeifaddrs(list);
  return found;
}

}  // namespace

Host find_host() {
  Host host;
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, sizeof name - 1) == 0) host.name = name;
  if (host.name.empty()) host.name = "unknown";
  host.ip = primary_ip();
  utsname system = {};
  if (uname(&system) == 0) host.os_description = std::string(system.sysname) + " " + system.release;
  return host;
}

}  // namespace telinject
