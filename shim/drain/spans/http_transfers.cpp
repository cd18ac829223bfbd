// libcurl's transfers: how they end, and what is told of those whose exchanges were not seen. And
// the totals of all exchanges.
#include <algorithm>

#include "shim/drain/spans/http_spans.h"
#include "shim/http/fields.h"

namespace telinject::drain {

namespace {

constexpr size_t kEndedTransfersKept = 4096;
constexpr int kCurlHttpReturnedError = 22;  // the status says it

CurlFacts curl_facts(const HttpTransferEndMessage& end) {
  return {end.name_lookup_us, end.connect_us, end.tls_us,    end.pretransfer_us, end.first_byte_us,
          end.redirect_us,    end.total_us,   end.redirects, end.connects,       end.result};
}

// CURL_HTTP_VERSION_*
std::string_view curl_version(int32_t version) {
  switch (version) {
    case 1:
      return "1.0";
    case 2:
      return "1.1";
    case 3:
    case 4:
    case 5:
      return "2";
    case 30:
    case 31:
      return "3";
    default:
      return "";
  }
}

}  // namespace

void HttpSpans::transfer(const Place& at, const AssembledMessage& message) {
  auto head = message.head<HttpTransferMessage>();
  if (!head.has_value() || head->reserved != kHttpDigest || head->transfer == 0) return;
  HttpState& http = at.thread->process->operations.get<HttpState>();
  if (http.transfers.size() >= kMaxTransfers) return;
  HttpTransfer& transfer = http.transfers[head->transfer];
  transfer = {};
  transfer.place = uint64_t{at.lane} << 53 | at.position >> 4;
  transfer.span = placer_->place(at, head->context, at.ticks);
  transfer.sampled = head->context.sampled != 0;
  transfer.url = message.text(sizeof *head, head->url_bytes);
  // The program wrote more behind the URL, for its places.
  uint64_t places = message_records(message.bytes.size()) * 2;
  constexpr uint64_t kMostIds = 1024;
  transfer.ids = static_cast<uint32_t>(std::max(places, std::min<uint64_t>(head->ids, kMostIds)));
  http.issued[transfer.place] = head->transfer;
}

void HttpSpans::transfer_end(const Place& at, const AssembledMessage& message) {
  auto head = message.head<HttpTransferEndMessage>();
  if (!head.has_value() || head->reserved != kHttpDigest) return;
  Process* process = at.thread->process;
  HttpState& state = process->operations.get<HttpState>();
  auto found = state.transfers.find(head->transfer);
  if (found == state.transfers.end() || found->second.ended) return;
  HttpTransfer& transfer = found->second;
  transfer.ended = true;
  state.ended_transfers.push_back(head->transfer);
  size_t next = 0;
  auto piece = [&](size_t size) {
    std::string_view text = message.text(sizeof *head + next, size);
    next += size;
    return text;
  };
  std::string_view peer = piece(head->peer_bytes), url = piece(head->url_bytes),
                   error = piece(head->error_bytes), method = piece(head->method_bytes);
  HttpExchange facts;
  facts.curl = curl_facts(*head);
  bool failed = head->result != 0 && head->result != kCurlHttpReturnedError;
  if (failed) {
    facts.transfer_error = curl_error_name(head->result);
    facts.transfer_error_text = error.empty() ? facts.transfer_error : std::string(error);
  }
  if (OpenExchange* last = transfer.last) {
    transfer.last = nullptr;
    last->http.transfer = 0;
    last->transfer_of = nullptr;
    last->http.curl = facts.curl;
    last->http.transfer_error = facts.transfer_error;
    last->http.transfer_error_text = facts.transfer_error_text;
    finish_if_over(last->process, last);
  } else if (transfer.exchanges == 0 && transfer.sampled && (failed || head->response_code != 0)) {
    // No exchange was seen: there was no connection, or it cannot be read.
    facts.method = is_http_token(method) ? method : "GET";
    facts.end = failed ? HttpEnd::kFailed : HttpEnd::kComplete;
    facts.end_ticks = at.ticks;
    facts.status = head->response_code >= 100 && head->response_code <= 999
                       ? static_cast<int>(head->response_code)
                       : 0;
    facts.version = curl_version(head->http_version);
    facts.sent_bytes = static_cast<uint64_t>(std::max<int64_t>(0, head->sent_bytes));
    facts.received_bytes = static_cast<uint64_t>(std::max<int64_t>(0, head->received_bytes));
    HttpConnection connection;
    connection.peer_address = peer;
    connection.peer_port = static_cast<uint16_t>(head->peer_port);
    HttpTransfer told = transfer;
    if (!url.empty()) told.url = url;
    write_unseen(process, told, std::move(facts), connection);
  }
  while (state.ended_transfers.size() > kEndedTransfersKept) {
    auto oldest = state.transfers.find(state.ended_transfers.front());
    state.ended_transfers.pop_front();
    if (oldest == state.transfers.end()) continue;
    state.issued.erase(oldest->second.place);
    state.transfers.erase(oldest);
  }
}

// The pair of a transfer whose exchange was not seen.
void HttpSpans::write_unseen(Process* process, const HttpTransfer& transfer, HttpExchange exchange,
                             const HttpConnection& connection) {
  UrlParts parts;
  parts.method = exchange.method;
  parts.target = transfer.url;
  exchange.role = HttpRole::kClient;
  exchange.url = make_url(parts);
  exchange.user_agent = "unknown";
  exchange.request_known = true;
  exchange.request_body_bytes = static_cast<int64_t>(exchange.sent_bytes);
  exchange.peer = HttpPeer(connection);
  OpenExchange unseen;
  unseen.span = transfer.span;
  unseen.process = process;
  unseen.http = std::move(exchange);
  write_request(&unseen);
  write_response(&unseen);
}

// Of the exchange itself, once it is written.
void HttpSpans::count(const HttpExchange& http, const ErrorInfo* error, int64_t duration_ns) {
  bool server = http.role == HttpRole::kServer;
  std::string_view type = error != nullptr ? error->type : std::string_view();
  const Url& url = http.url;
  totals_.add(
      {server, http.method, url.authority(), url.without_query(), http.status, type, duration_ns});
  request_totals_.add(
      {server, http.method, url.scheme, url.host, http.version, url.port, http.status, type},
      duration_ns);
}

}  // namespace telinject::drain
