// Events in receivers' formats.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "shim/receivers/formats.h"

namespace telinject::test::formats_test {
using namespace receivers;
using nlohmann::json;
namespace {

constexpr char kResponse[] =
    R"({"schema":{"format":"telemetry.v3","version":"3.0.0"},"timestamp":"2026-11-14T00:00:01.499Z",)"
    R"("timestamp_ns":1794614401499000007,"sequence":9,"event_type":"http_response","severity":"ERROR",)"
    R"("function_name":"fetch<\"a,b\">","trace_id":"0123456789abcdef00000000000000ff",)"
    R"("span_id":"00000000000000ff","parent_span_id":"00000000000000aa","trace_flags":"01",)"
    R"("sample_rate":0.5,"duration_ns":1000,"duration_ms":0.001,"message":"GET http://h/p: 500",)"
    R"("event":{"name":"GET","category":"network","type":"end"},"attributes":{"span.kind":"client",)"
    R"("url.full":"http://h/p?q","url.path":"/p","network.protocol.name":"http",)"
    R"("network.peer.address":"10.0.0.1","network.peer.port":80,"server.address":"h",)"
    R"("network.protocol.version":"1.1","http.request.method":"GET","thread_id":7,"thread_name":"w"},)"
    R"("http":{"response":{"status_code":500,"headers":{"app":"x","app.y":"z"},"body_bytes":3,)"
    R"("content_type":"text/plain"}},"error":{"type":"500","message":"no","stacktrace":"a\nb"},)"
    R"("correlation_id":"http_1","service":{"name":"s","version":"1,2"},"environment":"dev",)"
    R"("resource":{"telemetry_sdk_version":"3.0.0","os_type":"linux","os_description":"Linux 6"},)"
    R"("cloud":{"provider":"aws","region":"r","instance_id":"i-1","platform":"ec2"},)"
    R"("host":{"name":"hn","ip":"10.0.0.2","public_ip":null},)"
    R"("k8s":{"pod_name":"p","pod_labels":{"app":"a","app.kubernetes.io/name":"b"}},)"
    R"("process":{"pid":12,"executable":"/bin/a","command_line":"a b"}})";

template <typename Append>
json made(Append append, std::string_view line) {
  std::string body;
  append(line, &body);
  return json::parse(body);
}

}  // namespace

TEST_CASE("an event as a document of ECS") {
  json document = made(append_ecs_document, kResponse);
  CHECK(document["@timestamp"] == "2026-11-14T00:00:01.499000007Z");
  CHECK(document["event"] == json::parse(R"({"kind":"event","category":["network"],"type":["end"],
    "action":"http_response","dataset":"telinject.events","module":"telinject","sequence":9,
    "duration":1000,"outcome":"failure"})"));
  CHECK(document["error"]["stack_trace"] == "a\nb");
  CHECK(document["destination"] ==
        json::parse(R"({"address":"10.0.0.1","ip":"10.0.0.1","port":80})"));
  CHECK(document["service"]["node"]["name"] == "hn-12");
  CHECK_FALSE(document.contains("source"));
  CHECK(document["http"]["response"]["status_code"] == 500);
  CHECK(document["http"]["response"]["body"]["bytes"] == 3);
  CHECK(document["http"]["request"]["method"] == "GET");
  CHECK(document["http"]["version"] == "1.1");
  CHECK(document["log"]["origin"]["function"] == "fetch<\"a,b\">");
  CHECK(document["log"]["level"] == "error");
  CHECK(document["host"]["ip"] == json::array({"10.0.0.2"}));
  CHECK(document["cloud"]["instance"]["id"] == "i-1");
  CHECK(document["orchestrator"]["resource"]["name"] == "p");
  CHECK(document["telinject"]["headers"]["response"]["app.y"] == "z");
  CHECK(document["telinject"]["pod_labels"]["app.kubernetes.io/name"] == "b");
  CHECK(document["telinject"]["attributes"]["thread_id"] == 7);
}

TEST_CASE("only addresses of IP are fields of type ip") {
  auto source = [](const std::string& peer) {
    std::string line = R"({"attributes":{"span.kind":"server","network.peer.address":")" + peer;
    return made(append_ecs_document, line + "\"}}")["source"];
  };
  CHECK(source("::1") == json::parse(R"({"address":"::1","ip":"::1"})"));
  CHECK(source("/run/app.sock") == json::parse(R"({"address":"/run/app.sock"})"));
  CHECK(source("fe80::1%eth0").contains("ip") == false);
}

TEST_CASE("categories and outcomes of ECS") {
  auto of = [](const std::string& category, const std::string& more) {
    return made(append_ecs_document, R"({"event":{"category":")" + category + R"(","type":"end"})" +
                                         more + "}")["event"];
  };
  CHECK(of("code", "")["category"] == json::array({"process"}));
  CHECK(of("error", "")["category"] == json::array({"process"}));
  CHECK(of("auth", "")["category"] == json::array({"authentication"}));
  CHECK(of("database", "")["category"] == json::array({"database"}));
  CHECK_FALSE(of("code", "").contains("outcome"));
  CHECK(of("code", R"(,"duration_ns":1)")["outcome"] == "success");
  json local = made(append_ecs_document, R"({"cloud":{"provider":"local"}})");
  CHECK_FALSE(local.contains("cloud"));
}

TEST_CASE("an event for Splunk's collector") {
  json object = made(append_hec, kResponse);
  CHECK(object["time"] == "1794614401.499000007");
  CHECK(object["event"] == json::parse(kResponse));
  CHECK(object["host"] == "hn");
  CHECK(object["source"] == "s");
  CHECK(object["fields"]["severity"] == "ERROR");
}

TEST_CASE("an event as a log of Datadog") {
  json log = made(append_datadog_log, kResponse);
  CHECK(log["ddtags"] == "env:dev,version:1_2");
  CHECK(log["timestamp"] == 1794614401499);
  CHECK(log["timestamp_ns"] == "1794614401499000007");
  CHECK(log["dd.trace_id"] == "0123456789abcdef00000000000000ff");
  CHECK(log["dd.span_id"] == "255");
  CHECK(log["status"] == "error");
  CHECK(log["http.status_code"] == "500");
  CHECK(log["duration"] == "1000");
  CHECK(log["http.response.headers.app.y"] == "z");
  CHECK(log["error.kind"] == "500");
  CHECK(log["url.path"] == "/p");
  for (const auto& [name, value] : log.items()) {
    CAPTURE(name);
    CHECK(value.is_string() == (name != "timestamp"));
  }
}

TEST_CASE("a log of Datadog is flat, whatever the event has") {
  json log = made(append_datadog_log,
                  R"({"span_id":{"a":1},"sequence":[2],"attributes":{"b":{},"c":null,"d":true}})");
  CHECK_FALSE(log.contains("span_id"));
  CHECK_FALSE(log.contains("sequence"));
  CHECK(log["d"] == "true");
  CHECK_FALSE(log.contains("b"));
  CHECK_FALSE(log.contains("c"));
}

TEST_CASE("a log of Datadog from the first second of 1970 has a number without zeros in front") {
  CHECK(made(append_datadog_log, R"({"timestamp_ns":5})")["timestamp"] == 0);
  CHECK(made(append_datadog_log, R"({"timestamp_ns":70999999})")["timestamp"] == 70);
  CHECK(made(append_datadog_log, R"({"timestamp_ns":1070999999})")["timestamp"] == 1070);
}

TEST_CASE("whatever a line is, what is made of it is JSON") {
  std::string whole = kResponse;
  for (size_t cut = 0; cut < whole.size(); cut++) {
    CAPTURE(cut);
    std::string line = whole.substr(0, cut), ecs, datadog;
    append_ecs_document(line, &ecs);
    append_datadog_log(line, &datadog);
    CHECK(json::accept(ecs));
    CHECK(json::accept(datadog));
  }
}

TEST_CASE("bodies") {
  delivery::Batch batch;
  batch.add("{\"a\":1}\n", {});
  batch.add("{\"a\":2}\n", {});
  auto body = [&](BodyFormat what, size_t from, size_t to) {
    std::string text;
    auto framing = make_event_framing(what);
    CHECK(framing->kind() == "v3");
    framing->append_body(batch, from, to, &text);
    return text;
  };
  CHECK(body(BodyFormat::kEvent, 1, 2) == "{\"a\":2}");
  CHECK(body(BodyFormat::kLines, 0, 2) == "{\"a\":1}\n{\"a\":2}\n");
  std::string bulk = body(BodyFormat::kElasticsearch, 0, 2);
  CHECK(std::count(bulk.begin(), bulk.end(), '\n') == 4);
  CHECK(bulk.starts_with("{\"create\":{}}\n{"));
  batch.add(R"({"sequence":7,"trace_id":"aa","span_id":"bb"})"
            "\n",
            {});
  CHECK(
      body(BodyFormat::kElasticsearch, 2, 3).starts_with("{\"create\":{\"_id\":\"aa-bb-7\"}}\n{"));
  CHECK(json::parse(body(BodyFormat::kDatadogLogs, 0, 2)).size() == 2);
  CHECK(body(BodyFormat::kHec, 0, 1).starts_with("{\"sourcetype\":"));
}

}  // namespace telinject::test::formats_test
