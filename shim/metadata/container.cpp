#include "shim/metadata/container.h"

#include <array>
#include <vector>

#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

constexpr size_t kIdDigits = 64;
// Fargate: the task's 32 digits, a hyphen, and a number.
constexpr size_t kTaskDigits = 32;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view text) {
  if (text.size() == kIdDigits) return is_hex(text);
  if (text.size() < kTaskDigits + 2 || text[kTaskDigits] != '-') return false;
  std::string_view number = text.substr(kTaskDigits + 1);
  return is_hex(text.substr(0, kTaskDigits)) && number.size() <= 12 &&
         number.find_first_not_of("0123456789") == std::string_view::npos;
}

// "cri-containerd-<id>.scope", "pod-x:cri-containerd:<id>", "<id>", "docker-<id>.scope",
// "libpod-<id>"
std::string_view id_in_segment(std::string_view segment) {
  size_t colon = segment.rfind(':');
  if (colon != std::string_view::npos) segment.remove_prefix(colon + 1);
  segment = segment.substr(0, segment.find('.'));
  if (is_id(segment)) return segment;
  size_t dash = segment.rfind('-');
  if (dash != std::string_view::npos) segment.remove_prefix(dash + 1);
  return is_id(segment) ? segment : std::string_view();
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string container_id_in_cgroup(std::string_view text) {
  for (std::string_view line : split(text, '\n')) {
    // From the end: of containers in containers, the innermost. What follows the id is the
    // container's own doing (systemd in it, or podman's "/container").
    std::vector<std::string_view> segments = split(line, '/');
    for (size_t i = segments.size(); i-- > 1;) {
      std::string_view id = id_in_segment(segments[i]);
      if (!id.empty()) return std::string(id);
    }
  }
  return {};
}

std::string container_id_in_mountinfo(std::string_view text) {
  // docker: /var/lib/docker/containers/<id>/hostname; podman:
  // .../overlay-containers/<id>/userdata/hostname; containerd:
  // .../io.containerd.grpc.v1.cri/sandboxes/<sandbox>/hostname names the pod, not the container.
  constexpr std::array<std::string_view, 2> kFolders = {"containers", "overlay-containers"};
  constexpr std::array<std::string_view, 3> kTargets = {"/etc/hostname", "/etc/hosts",
                                                        "/etc/resolv.conf"};
  constexpr size_t kRoot = 3, kMountPoint = 4;
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> fields = split(line, ' ');
    if (fields.size() <= kMountPoint) continue;
    bool own = false;
    for (std::string_view target : kTargets) own = own || fields[kMountPoint] == target;
    if (!own) continue;
    std::vector<std::string_view> segments = split(fields[kRoot], '/');
    for (size_t i = 0; i + 1 < segments.size(); i++) {
      for (std::string_view folder : kFolders) {
        if (segments[i] == folder && is_id(segments[i + 1])) return std::string(segments[i + 1]);
      }
    }
  }
  return {};
}

std::string find_container_id(const Surroundings& around) {
  std::string id = container_id_in_cgroup(around.file("/proc/self/cgroup"));
  return !id.empty() ? id
                     : container_id_in_mountinfo(
                           read_small_file(around.path("/proc/self/mountinfo"), kMountTableBytes));
}

}  // namespace telinject
