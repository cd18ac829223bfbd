// An event as a document of the Elastic Common Schema. What ECS has no field for is in one object,
// `telinject`, which the index template makes `flattened`: names in it cannot collide, and do not
// grow the mapping.
#include <arpa/inet.h>

#include "shim/receivers/event_line.h"
#include "shim/receivers/formats.h"

namespace telinject::receivers {

namespace {

constexpr char kEcsVersion[] = "9.4.0";

// v3's categories are not ECS's.
std::string_view category_of(std::string_view category) {
  std::string_view text = within_quotes(category);
  if (text == "code" || text == "error") return "\"process\"";
  return text == "auth" ? "\"authentication\"" : category;
}

void put_event(const RawObject& event, NestedWriter* out) {
  RawObject what = event.object("event");
  std::string_view duration = event.get("duration_ns");
  out->put_text("event.kind", "event");
  out->put_array("event.category", category_of(what.get("category")));
  out->put_array("event.type", what.get("type"));
  out->put("event.action", event.get("event_type"));
  out->put_text("event.dataset", "telinject.events");
  out->put_text("event.module", "telinject");
  out->put("event.sequence", event.get("sequence"));
  out->put("event.duration", duration);
  if (duration.empty()) return;
  out->put_text("event.outcome", event.get("error").empty() ? "success" : "failure");
}

// A socket of the machine itself has a path.
bool is_ip(std::string_view address) {
  std::string text(within_quotes(address));
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

// The peer is the destination of a client's request, and the source of a server's.
void put_network(const RawObject& attributes, NestedWriter* out) {
  out->put("url.full", attributes.get("url.full"));
  out->put("url.path", attributes.get("url.path"));
  out->put("url.query", attributes.get("url.query"));
  out->put("url.scheme", attributes.get("url.scheme"));
  out->put("network.protocol", attributes.get("network.protocol.name"));
  out->put("network.transport", attributes.get("network.transport"));
  out->put("server.address", attributes.get("server.address"));
  out->put("server.port", attributes.get("server.port"));
  bool client = is_text(attributes.get("span.kind"), "client");
  std::string_view peer = attributes.get("network.peer.address");
  out->put(client ? "destination.address" : "source.address", peer);
  if (is_ip(peer)) out->put(client ? "destination.ip" : "source.ip", peer);
  out->put(client ? "destination.port" : "source.port", attributes.get("network.peer.port"));
}

void put_http(const RawObject& event, const RawObject& attributes, NestedWriter* out) {
  RawObject http = event.object("http");
  if (http.members().empty()) return;
  RawObject request = http.object("request"), response = http.object("response");
  std::string_view method = request.get("method");
  out->put("http.request.method", method.empty() ? attributes.get("http.request.method") : method);
  out->put("http.request.body.bytes", request.get("body_bytes"));
  out->put("http.response.status_code", response.get("status_code"));
  out->put("http.response.mime_type", response.get("content_type"));
  out->put("http.response.body.bytes", response.get("body_bytes"));
  out->put("http.version", attributes.get("network.protocol.version"));
  std::string_view agent = request.get("user_agent");
  if (!is_text(agent, "unknown")) out->put("user_agent.original", agent);
}

void put_process(const RawObject& event, const RawObject& attributes, NestedWriter* out) {
  RawObject process = event.object("process");
  out->put("process.pid", process.get("pid"));
  out->put("process.executable", process.get("executable"));
  out->put("process.command_line", process.get("command_line"));
  out->put("process.thread.id", attributes.get("thread_id"));
  out->put("process.thread.name", attributes.get("thread_name"));
  out->put("log.origin.function", event.get("function_name"));
  out->put("log.origin.file.name", attributes.get("function_file"));
  out->put("log.origin.file.line", attributes.get("function_line"));
}

// Of one process: "host-123".
std::string node_name(const RawObject& host, const RawObject& process) {
  std::string_view name = within_quotes(host.get("name")), pid = process.get("pid");
  if (name.empty() || !is_number(pid)) return std::string(host.get("name"));
  return std::string("\"").append(name).append("-").append(pid).append("\"");
}

void put_places(const RawObject& event, NestedWriter* out) {
  RawObject service = event.object("service"), host = event.object("host");
  RawObject resource = event.object("resource"), cloud = event.object("cloud");
  RawObject k8s = event.object("k8s");
  out->put("service.name", service.get("name"));
  out->put("service.version", service.get("version"));
  out->put("service.environment", event.get("environment"));
  out->put("service.node.name", node_name(host, event.object("process")));
  out->put("host.name", host.get("name"));
  out->put_array("host.ip", host.get("ip"));
  out->put("host.os.type", resource.get("os_type"));
  out->put("host.os.full", resource.get("os_description"));
  out->put_text("agent.type", "telinject");
  out->put("agent.version", resource.get("telemetry_sdk_version"));
  std::string_view provider = cloud.get("provider");
  if (!provider.empty() && !is_text(provider, "local")) {
    out->put("cloud.provider", provider);
    out->put("cloud.region", cloud.get("region"));
    out->put("cloud.availability_zone", cloud.get("availability_zone"));
    out->put("cloud.account.id", cloud.get("account_id"));
    out->put("cloud.instance.id", cloud.get("instance_id"));
    out->put("cloud.machine.type", cloud.get("machine_type"));
    out->put("cloud.service.name", cloud.get("platform"));
  }
  out->put("container.id", k8s.get("container_id"));
  out->put("container.name", k8s.get("container_name"));
  std::string_view pod = k8s.get("pod_name");
  if (!pod.empty()) out->put_text("orchestrator.type", "kubernetes");
  out->put("orchestrator.namespace", k8s.get("namespace_name"));
  out->put("orchestrator.cluster.name", k8s.get("cluster_name"));
  out->put("orchestrator.resource.name", pod);
  out->put("orchestrator.resource.id", k8s.get("pod_uid"));
}

void put_ours(const RawObject& event, NestedWriter* out) {
  RawObject http = event.object("http");
  out->put("telinject.parent_span_id", event.get("parent_span_id"));
  out->put("telinject.sample_rate", event.get("sample_rate"));
  out->put("telinject.trace_flags", event.get("trace_flags"));
  out->put("telinject.correlation_id", event.get("correlation_id"));
  out->put("telinject.attributes", event.get("attributes"));
  out->put("telinject.headers.request", http.object("request").get("headers"));
  out->put("telinject.headers.response", http.object("response").get("headers"));
  out->put("telinject.pod_labels", event.object("k8s").get("pod_labels"));
}

}  // namespace

void append_ecs_document(std::string_view line, std::string* body) {
  RawObject event(line);
  RawObject attributes = event.object("attributes"), error = event.object("error");
  NestedWriter out(body);
  std::string_view seconds, time = within_quotes(event.get("timestamp"));
  std::string fraction;
  if (split_time(event.get("timestamp_ns"), &seconds, &fraction)) {
    out.put_text("@timestamp",
                 std::string(time.substr(0, time.find('.'))).append(".").append(fraction) + "Z");
  }
  out.put("message", event.get("message"));
  out.put_text("ecs.version", kEcsVersion);
  out.put("trace.id", event.get("trace_id"));
  out.put("span.id", event.get("span_id"));
  put_event(event, &out);
  out.put("error.type", error.get("type"));
  out.put("error.message", error.get("message"));
  out.put("error.stack_trace", error.get("stacktrace"));
  put_network(attributes, &out);
  put_http(event, attributes, &out);
  put_process(event, attributes, &out);
  out.put_text("log.level", lower_case(within_quotes(event.get("severity"))));
  put_places(event, &out);
  put_ours(event, &out);
  out.end();
}

}  // namespace telinject::receivers
