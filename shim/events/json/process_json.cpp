#include "shim/events/json/process_json.h"

#include <nlohmann/json.hpp>

#include "shim/channel/settings.h"
#include "shim/events/json/json_text.h"
#include "shim/events/json/line_buffer.h"
#include "shim/events/service_of.h"

namespace telinject {

namespace {

using nlohmann::ordered_json;

// As an exact decimal, always with a fraction: 1.0, 0.25.
std::string rate_text(uint64_t rate) {
  std::string digits = std::to_string(rate % kRateOne);
  digits.insert(0, 9 - digits.size(), '0');
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  return std::to_string(rate / kRateOne) + "." + digits;
}

}  // namespace

ProcessJson make_process_json(const Metadata& metadata, const ProcessInfo& process) {
  const Host& host = metadata.host;
  ordered_json tail;
  tail["service"] = {{"name", name_of(metadata.service, process)},
                     {"version", version_of(metadata.service, process)}};
  tail["environment"] = metadata.service.environment;
  tail["resource"] = {{"telemetry_sdk_name", "custom-injector"},
                      {"telemetry_sdk_version", "3.0.0"},
                      {"runtime_name", process.language},
                      {"runtime_version", process.runtime_version},
                      {"os_type", "linux"},
                      {"os_description", host.os_description}};
  tail["cloud"] = to_json(metadata.cloud);
  tail["host"] = {{"name", host.name}};
  if (!host.ip.empty()) tail["host"]["ip"] = host.ip;
  if (!host.public_ip.empty()) tail["host"]["public_ip"] = host.public_ip;
  if (ordered_json pod = to_json(metadata.kubernetes); !pod.empty()) tail["k8s"] = pod;
  tail["process"] = {{"pid", process.pid}};
  if (!process.executable.empty()) tail["process"]["executable"] = process.executable;
  if (!process.command_line.empty()) {
    tail["process"]["command_line"] = process.command_line;
  }
  ProcessJson text;
  // Invalid UTF-8 (arguments, paths) becomes U+FFFD.
  std::string dump =
      with_terminal_escapes(tail.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  text.tail = "," + dump.substr(1) + "\n";
  text.sampling = ",\"trace_flags\":\"01\",\"sample_rate\":" + rate_text(process.sample_rate);
  return text;
}

ProcessJson make_lean_process_json(uint64_t reference) {
  char digits[16];
  put_hex16(digits, reference);
  ProcessJson text;
  text.tail = ",\"process_ref\":\"" + std::string(digits, sizeof digits) + "\"}\n";
  return text;
}

}  // namespace telinject
