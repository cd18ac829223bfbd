#include "shim/net/http_transfers.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shim/net/curl_library.h"

namespace telinject::net {

namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr size_t kMaxConnections = 16;  // kept open

absl::string_view abseil(std::string_view text) {
  return {text.data(), text.size()};
}

bool names_content_type(std::string_view header) {
  return absl::StartsWithIgnoreCase(abseil(header), "content-type:");
}

std::string_view trimmed(std::string_view text) {
  absl::string_view inner = absl::StripAsciiWhitespace(abseil(text));
  return {inner.data(), inner.size()};
}

void wait_for(int fd, milliseconds wait) {
  pollfd readable = {fd, POLLIN, 0};
  poll(&readable, fd >= 0 ? 1 : 0, static_cast<int>(wait.count()));
}

struct Transfer {
  uint64_t id = 0;
  HttpRequest request;
  HttpResponse response;
  CURL* handle = nullptr;
  curl_slist* headers = nullptr;
  size_t header_bytes = 0;
  bool too_large = false;
  bool in_trailers = false;  // the header block of this response is over

  // What they return ends the transfer if it is not `bytes`.
  static size_t take_body(char* data, size_t, size_t bytes, void* context) {
    auto* transfer = static_cast<Transfer*>(context);
    std::string& body = transfer->response.body;
    size_t room = transfer->request.max_bytes - body.size();
    transfer->too_large = bytes > room;
    body.append(data, std::min(bytes, room));
    return transfer->too_large ? 0 : bytes;
  }
  static size_t take_header(char* data, size_t, size_t bytes, void* context) {
    auto* transfer = static_cast<Transfer*>(context);
    std::string_view line(data, bytes);
    if (line.starts_with("HTTP/")) {  // the next response: the last was an interim one
      transfer->response.headers.clear();
      transfer->response.trailers.clear();
      transfer->header_bytes = 0;
      transfer->in_trailers = false;
    }
    transfer->header_bytes += bytes;
    if (transfer->header_bytes > kMaxHeaderBytes) return bytes;
    if (trimmed(line).empty()) transfer->in_trailers = true;
    size_t colon = line.find(':');
    if (colon == std::string_view::npos) return bytes;
    auto& list = transfer->in_trailers ? transfer->response.trailers : transfer->response.headers;
    list.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
    return bytes;
  }
};

HttpFailure failure_of(CURLcode result) {
  switch (result) {
    case CURLE_OK:
      return HttpFailure::kNone;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return HttpFailure::kNotSent;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return HttpFailure::kTls;
    case CURLE_OPERATION_TIMEDOUT:
      return HttpFailure::kTimeout;
    case CURLE_HTTP2_STREAM:
      return HttpFailure::kStreamRefused;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_FAILED_INIT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
      return HttpFailure::kUnusable;
    default:
      return HttpFailure::kBroken;
  }
}

}  // namespace

std::string without_user(std::string_view url) {
  size_t scheme = url.find("://"), from = scheme == std::string_view::npos ? 0 : scheme + 3;
  size_t at = url.substr(0, url.find_first_of("/?#", from)).rfind('@');
  if (at == std::string_view::npos || at < from) return std::string(url);
  return std::string(url.substr(0, from)).append(url.substr(at + 1));
}

std::string about(const HttpRequest& request) {
  return absl::StrCat(request.method, " ", without_user(request.url), ": ");
}

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (absl::EqualsIgnoreCase(key, abseil(name))) return value;
  }
  return {};
}

class HttpTransfers::Engine {
 public:
  explicit Engine(Connections connections) : connections_(connections) {}
  ~Engine() {
    for (auto& [id, transfer] : transfers_) release(transfer.get());
    if (multi_ != nullptr) curl_->multi_cleanup(multi_);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void start(uint64_t id, HttpRequest request);
  void run(milliseconds wait, int wake_fd, const Done& done);
  void cancel_all(const Done& done);
  size_t under_way() const { return transfers_.size() + refused_.size(); }

 private:
  using Answers = std::vector<std::pair<uint64_t, HttpResponse>>;

  bool load(std::string* problem);
  void refuse(uint64_t id, const HttpRequest& request, const std::string& why);
  void prepare(Transfer* transfer);
  void set_body(Transfer* transfer);
  void set_security(const HttpRequest& request, CURL* handle);
  // Those that have ended.
  Answers take_answers();
  void finish(Transfer* transfer, CURLcode result);
  void release(Transfer* transfer);

  const Connections connections_;
  const CurlLibrary* curl_ = nullptr;
  CURLM* multi_ = nullptr;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers_;
  Answers refused_;
};

bool HttpTransfers::Engine::load(std::string* problem) {
  if (curl_ == nullptr) curl_ = CurlLibrary::get(problem);
  if (curl_ == nullptr) return false;
  if (multi_ == nullptr) {
    multi_ = curl_->multi_init();
    if (multi_ != nullptr) {
      curl_->multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(kMaxConnections));
      if (connections_ == Connections::kOneEach) {
        curl_->multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
      }
    }
  }
  if (multi_ == nullptr) *problem = "libcurl does not start";
  return multi_ != nullptr;
}

void HttpTransfers::Engine::refuse(uint64_t id, const HttpRequest& request,
                                   const std::string& why) {
  HttpResponse response;
  response.problem = about(request) + why;
  response.reason = why;
  response.failure = HttpFailure::kUnusable;
  refused_.emplace_back(id, std::move(response));
}

void HttpTransfers::Engine::start(uint64_t id, HttpRequest request) {
  std::string problem;
  if (!load(&problem)) return refuse(id, request, problem);
  auto transfer = std::make_unique<Transfer>();
  transfer->id = id;
  transfer->request = std::move(request);
  transfer->handle = curl_->easy_init();
  if (transfer->handle == nullptr) return refuse(id, transfer->request, "out of memory");
  prepare(transfer.get());
  CURL* handle = transfer->handle;
  if (curl_->multi_add_handle(multi_, handle) != CURLM_OK) {
    refuse(id, transfer->request, "libcurl does not take the request");
    curl_->slist_free_all(transfer->headers);
    curl_->easy_cleanup(handle);
    return;
  }
  transfers_.emplace(handle, std::move(transfer));
}

void HttpTransfers::Engine::set_security(const HttpRequest& request, CURL* handle) {
  auto set = [&](CURLoption option, auto value) { curl_->easy_setopt(handle, option, value); };
  bool https = !request.ca_file.empty() || request.system_tls || request.insecure;
  bool http = request.ca_file.empty() || request.system_tls;
#if LIBCURL_VERSION_NUM >= 0x075500  // 7.85
  set(CURLOPT_PROTOCOLS_STR, !https ? "http" : http ? "http,https" : "https");
#else
  set(CURLOPT_PROTOCOLS,
      static_cast<long>((https ? CURLPROTO_HTTPS : 0) | (http ? CURLPROTO_HTTP : 0)));
#endif
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  if (request.http2_at_once) {
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
  }
  if (!https) return;
  if (!request.ca_file.empty()) {
    set(CURLOPT_CAINFO, request.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  if (request.insecure) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!request.client_certificate.empty()) {
    set(CURLOPT_SSLCERT, request.client_certificate.c_str());
  }
  if (!request.client_key.empty()) set(CURLOPT_SSLKEY, request.client_key.c_str());
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (request.http2_at_once) return;
  // One connection for all requests where the server speaks HTTP/2, as Kubernetes' does.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_PIPEWAIT, 1L);
}

void HttpTransfers::Engine::set_body(Transfer* transfer) {
  const HttpRequest& request = transfer->request;
  auto set = [&](CURLoption option, auto value) {
    curl_->easy_setopt(transfer->handle, option, value);
  };
  auto add_header = [&](const char* header) {
    transfer->headers = curl_->slist_append(transfer->headers, header);
  };
  set(CURLOPT_POSTFIELDS, request.body.data());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  add_header("Expect:");  // not 100-continue, which not every server answers
  // libcurl's default is that of a form.
  if (std::none_of(request.headers.begin(), request.headers.end(), names_content_type)) {
    add_header("Content-Type:");
  }
}

void HttpTransfers::Engine::prepare(Transfer* transfer) {
  const HttpRequest& request = transfer->request;
  CURL* handle = transfer->handle;
  auto set = [&](CURLoption option, auto value) { curl_->easy_setopt(handle, option, value); };
  for (const std::string& header : request.headers) {
    transfer->headers = curl_->slist_append(transfer->headers, header.c_str());
  }
  if (!request.body.empty()) set_body(transfer);
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_HTTPHEADER, transfer->headers);
  if (request.method != "GET" || !request.body.empty()) {
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<int64_t>(request.timeout.count(), 1)));
  if (request.connect_timeout.count() > 0) {
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  }
  set(CURLOPT_USERAGENT, "telinject/" TELINJECT_VERSION);
  set(CURLOPT_WRITEFUNCTION, Transfer::take_body);
  set(CURLOPT_WRITEDATA, transfer);
  set(CURLOPT_HEADERFUNCTION, Transfer::take_header);
  set(CURLOPT_HEADERDATA, transfer);
#if LIBCURL_VERSION_NUM >= 0x075700  // 7.87
  set(CURLOPT_QUICK_EXIT, 1L);
#endif
  set_security(request, handle);
}

void HttpTransfers::Engine::finish(Transfer* transfer, CURLcode result) {
  long status = 0;
  curl_off_t pretransfer = 0;
  curl_->easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
  curl_->easy_getinfo(transfer->handle, CURLINFO_PRETRANSFER_TIME_T, &pretransfer);
  HttpResponse& response = transfer->response;
  response.status = static_cast<int>(status);
  response.failure = transfer->too_large ? HttpFailure::kTooLarge : failure_of(result);
  std::string& why = response.reason;
  if (transfer->too_large) {
    why = absl::StrCat("the answer is larger than ", transfer->request.max_bytes, " bytes");
  } else if (result == CURLE_OPERATION_TIMEDOUT) {
    // Before the request could begin, the server has not seen it.
    bool connected = pretransfer > 0;
    if (!connected) response.failure = HttpFailure::kNotSent;
    milliseconds limit = transfer->request.timeout;
    if (!connected && transfer->request.connect_timeout.count() > 0) {
      limit = std::min(limit, transfer->request.connect_timeout);
    }
    why = absl::StrCat("no answer within ", limit.count(), " ms");
  } else if (result != CURLE_OK) {
    why = curl_->easy_strerror(result);
  } else if (status < 200 || status > 299) {
    why = absl::StrCat("status ", status);
    response.failure = HttpFailure::kStatus;
  }
  if (!why.empty()) response.problem = about(transfer->request) + why;
}

HttpTransfers::Engine::Answers HttpTransfers::Engine::take_answers() {
  Answers answers = std::exchange(refused_, {});
  if (multi_ == nullptr) return answers;
  int queued;
  while (CURLMsg* message = curl_->multi_info_read(multi_, &queued)) {
    if (message->msg != CURLMSG_DONE) continue;
    auto found = transfers_.find(message->easy_handle);
    if (found == transfers_.end()) continue;
    CURLcode result = message->data.result;  // `message` goes with the handle
    finish(found->second.get(), result);
    answers.emplace_back(found->second->id, std::move(found->second->response));
    release(found->second.get());
    transfers_.erase(found);
  }
  return answers;
}

void HttpTransfers::Engine::release(Transfer* transfer) {
  curl_->multi_remove_handle(multi_, transfer->handle);
  curl_->easy_cleanup(transfer->handle);
  curl_->slist_free_all(transfer->headers);
}

void HttpTransfers::Engine::run(milliseconds wait, int wake_fd, const Done& done) {
  curl_waitfd wake = {wake_fd, CURL_WAIT_POLLIN, 0};
  int running = 0;
  std::string problem;
  if (!refused_.empty()) {
    // They are answered at once.
  } else if (!load(&problem)) {
    wait_for(wake_fd, wait);
  } else {
    curl_->multi_perform(multi_, &running);
    if (static_cast<size_t>(running) == transfers_.size() && wait.count() > 0) {
      curl_->multi_poll(multi_, &wake, wake_fd >= 0 ? 1 : 0, static_cast<int>(wait.count()),
                        nullptr);
      curl_->multi_perform(multi_, &running);
    }
  }
  for (auto& [id, response] : take_answers()) done(id, std::move(response));
}

void HttpTransfers::Engine::cancel_all(const Done& done) {
  Answers answers = take_answers();
  for (auto& [handle, transfer] : transfers_) {
    HttpResponse& response = transfer->response;
    response.reason = "given up";
    response.problem = about(transfer->request) + response.reason;
    response.failure = HttpFailure::kTimeout;
    answers.emplace_back(transfer->id, std::move(response));
    release(transfer.get());
  }
  transfers_.clear();
  for (auto& [id, response] : answers) done(id, std::move(response));
}

HttpTransfers::HttpTransfers(Connections connections)
    : engine_(std::make_unique<Engine>(connections)) {}
HttpTransfers::~HttpTransfers() = default;

void HttpTransfers::start(uint64_t id, HttpRequest request) {
  engine_->start(id, std::move(request));
}

void HttpTransfers::run(milliseconds wait, int wake_fd, const Done& done) {
  engine_->run(wait, wake_fd, done);
}

size_t HttpTransfers::under_way() const {
  return engine_->under_way();
}

void HttpTransfers::cancel_all(const Done& done) {
  engine_->cancel_all(done);
}

}  // namespace telinject::net
