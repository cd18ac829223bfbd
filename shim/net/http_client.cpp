#include "shim/net/http_client.h"

#include <strings.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "shim/net/curl_library.h"

namespace telinject::net {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kSlice{50};  // between looks at `cancelled`
constexpr size_t kMaxHeaderBytes = 64 << 10;

std::string without_user(const std::string& url) {
  size_t from = url.find("://");
  from = from == std::string::npos ? 0 : from + 3;
  size_t end = std::min(url.find('/', from), url.size());
  size_t at = url.rfind('@', end);
  return at == std::string::npos || at < from ? url : url.substr(0, from) + url.substr(at + 1);
}

std::string about(const HttpRequest& request) {
  return absl::StrCat(request.method, " ", without_user(request.url), ": ");
}

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool names_content_type(std::string_view header) {
  constexpr std::string_view kName = "content-type:";
  return equal_in_any_case(header.substr(0, kName.size()), kName);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

struct Transfer {
  const HttpRequest* request = nullptr;
  HttpResponse* response = nullptr;
  CURL* handle = nullptr;
  curl_slist* headers = nullptr;
  milliseconds limit{0};
  size_t header_bytes = 0;
  bool too_large = false, done = false;

  // What they return ends the transfer if it is not `bytes`.
  static size_t take_body(char* data, size_t, size_t bytes, void* context) {
    auto* transfer = static_cast<Transfer*>(context);
    std::string& body = transfer->response->body;
    transfer->too_large = body.size() + bytes > transfer->request->max_bytes;
    if (transfer->too_large) return 0;
    body.append(data, bytes);
    return bytes;
  }
  static size_t take_header(char* data, size_t, size_t bytes, void* context) {
    auto* transfer = static_cast<Transfer*>(context);
    auto& headers = transfer->response->headers;
    std::string_view line(data, bytes);
    if (line.starts_with("HTTP/")) {  // the next response: the last was an interim one
      headers.clear();
      transfer->header_bytes = 0;
    }
    transfer->header_bytes += bytes;
    if (transfer->header_bytes > kMaxHeaderBytes) return bytes;
    size_t colon = line.find(':');
    if (colon == std::string_view::npos) return bytes;
    headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
    return bytes;
  }
};

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_in_any_case(key, name)) return value;
  }
  return {};
}

class HttpClient::Engine {
 public:
  Engine(Deadline deadline, const std::atomic<bool>* cancelled)
      : deadline_(deadline), cancelled_(cancelled) {}
  ~Engine() {
    if (multi_ != nullptr) curl_->multi_cleanup(multi_);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::vector<HttpResponse> send_all(const std::vector<HttpRequest>& requests);

 private:
  void prepare(const HttpRequest& request, milliseconds left, Transfer* transfer);
  void set_security(const HttpRequest& request, CURL* handle);
  // Runs the transfers until all have ended, `give_up` is reached or the client is cancelled.
  void run(Deadline give_up);
  void take_results();
  void finish(Transfer* transfer, CURLcode result);
  bool cancelled() const { return cancelled_ != nullptr && cancelled_->load(); }

  Deadline deadline_;
  const std::atomic<bool>* cancelled_;
  const CurlLibrary* curl_ = nullptr;
  CURLM* multi_ = nullptr;
};

void HttpClient::Engine::set_security(const HttpRequest& request, CURL* handle) {
  auto set = [&](CURLoption option, auto value) { curl_->easy_setopt(handle, option, value); };
  bool https = !request.ca_file.empty();
#if LIBCURL_VERSION_NUM >= 0x075500  // 7.85
  set(CURLOPT_PROTOCOLS_STR, https ? "https" : "http");
#else
  set(CURLOPT_PROTOCOLS, static_cast<long>(https ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
#endif
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  if (!https) return;
  set(CURLOPT_CAINFO, request.ca_file.c_str());
  set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // One connection for all requests where the server speaks HTTP/2, as Kubernetes' does.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_PIPEWAIT, 1L);
}

void HttpClient::Engine::prepare(const HttpRequest& request, milliseconds left,
                                 Transfer* transfer) {
  CURL* handle = transfer->handle = curl_->easy_init();
  transfer->limit = std::min(left, request.timeout);
  auto set = [&](CURLoption option, auto value) { curl_->easy_setopt(handle, option, value); };
  auto add_header = [&](const char* header) {
    transfer->headers = curl_->slist_append(transfer->headers, header);
  };
  for (const std::string& header : request.headers) add_header(header.c_str());
  if (!request.body.empty()) {
    set(CURLOPT_POSTFIELDS, request.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    add_header("Expect:");  // not 100-continue, which not every server answers
    // libcurl's default is that of a form.
    if (std::none_of(request.headers.begin(), request.headers.end(), names_content_type)) {
      add_header("Content-Type:");
    }
  }
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_HTTPHEADER, transfer->headers);
  if (request.method != "GET" || !request.body.empty()) {
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(transfer->limit.count()));
  set(CURLOPT_USERAGENT, "telinject/" TELINJECT_VERSION);
  set(CURLOPT_WRITEFUNCTION, Transfer::take_body);
  set(CURLOPT_WRITEDATA, transfer);
  set(CURLOPT_HEADERFUNCTION, Transfer::take_header);
  set(CURLOPT_HEADERDATA, transfer);
  set(CURLOPT_PRIVATE, transfer);
#if LIBCURL_VERSION_NUM >= 0x075700  // 7.87
  set(CURLOPT_QUICK_EXIT, 1L);
#endif
  set_security(request, handle);
  curl_->multi_add_handle(multi_, handle);
}

void HttpClient::Engine::finish(Transfer* transfer, CURLcode result) {
  long status = 0;
  curl_->easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
  transfer->done = true;
  transfer->response->status = static_cast<int>(status);
  std::string why;
  if (transfer->too_large) {
    why = absl::StrCat("the answer is larger than ", transfer->request->max_bytes, " bytes");
  } else if (result == CURLE_OPERATION_TIMEDOUT) {
    why = absl::StrCat("no answer within ", transfer->limit.count(), " ms");
  } else if (result != CURLE_OK) {
    why = curl_->easy_strerror(result);
  } else if (status < 200 || status > 299) {
    why = absl::StrCat("status ", status);
  }
  if (!why.empty()) transfer->response->problem = about(*transfer->request) + why;
}

void HttpClient::Engine::take_results() {
  int queued;
  while (CURLMsg* message = curl_->multi_info_read(multi_, &queued)) {
    if (message->msg != CURLMSG_DONE) continue;
    Transfer* transfer = nullptr;
    curl_->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    finish(transfer, message->data.result);
  }
}

void HttpClient::Engine::run(Deadline give_up) {
  int running = 1;
  while (running > 0 && !cancelled() && steady_clock::now() < give_up) {
    if (curl_->multi_perform(multi_, &running) != CURLM_OK) break;
    take_results();
    if (running > 0) {
      curl_->multi_poll(multi_, nullptr, 0, static_cast<int>(kSlice.count()), nullptr);
    }
  }
}

std::vector<HttpResponse> HttpClient::Engine::send_all(const std::vector<HttpRequest>& requests) {
  std::vector<HttpResponse> responses(requests.size());
  auto refuse_all = [&](const std::string& why) {
    for (size_t i = 0; i < requests.size(); i++) responses[i].problem = about(requests[i]) + why;
    return responses;
  };
  std::string problem;
  if (curl_ == nullptr) curl_ = CurlLibrary::get(&problem);
  if (curl_ == nullptr) return refuse_all(problem);
  auto left = duration_cast<milliseconds>(deadline_ - steady_clock::now());
  if (left.count() <= 0) return refuse_all("not sent: the time for all requests is over");
  if (multi_ == nullptr) multi_ = curl_->multi_init();

  std::vector<std::unique_ptr<Transfer>> transfers;
  milliseconds longest{0};
  for (size_t i = 0; i < requests.size(); i++) {
    auto transfer = std::make_unique<Transfer>();
    transfer->request = &requests[i];
    transfer->response = &responses[i];
    prepare(requests[i], left, transfer.get());
    longest = std::max(longest, transfer->limit);
    transfers.push_back(std::move(transfer));
  }
  // libcurl ends each transfer at its limit; this is for the case that it does not.
  run(steady_clock::now() + longest + kSlice);
  for (auto& transfer : transfers) {
    if (!transfer->done) transfer->response->problem = about(*transfer->request) + "given up";
    curl_->multi_remove_handle(multi_, transfer->handle);
    curl_->easy_cleanup(transfer->handle);
    curl_->slist_free_all(transfer->headers);
  }
  return responses;
}

HttpClient::HttpClient(Deadline deadline, const std::atomic<bool>* cancelled)
    : engine_(std::make_unique<Engine>(deadline, cancelled)) {}

HttpClient::~HttpClient() = default;

std::vector<HttpResponse> HttpClient::send_all(const std::vector<HttpRequest>& requests) {
  return engine_->send_all(requests);
}

}  // namespace telinject::net
