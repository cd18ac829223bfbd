#include "shim/metadata/http_client.h"

#include <strings.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "shim/metadata/documents.h"
#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kSlice{50};  // between looks at `cancelled`

struct Transfer {
  const HttpRequest* request = nullptr;
  HttpAnswer* answer = nullptr;
  CURL* handle = nullptr;
  curl_slist* headers = nullptr;
  bool too_large = false, done = false;
};

size_t take_body(char* data, size_t, size_t bytes, void* context) {
  auto* transfer = static_cast<Transfer*>(context);
  if (transfer->answer->body.size() + bytes > transfer->request->max_bytes) {
    transfer->too_large = true;
    return 0;  // ends the transfer
  }
  transfer->answer->body.append(data, bytes);
  return bytes;
}

size_t take_header(char* data, size_t, size_t bytes, void* context) {
  constexpr std::string_view kFlavor = "metadata-flavor:";
  auto* transfer = static_cast<Transfer*>(context);
  if (bytes > kFlavor.size() && strncasecmp(data, kFlavor.data(), kFlavor.size()) == 0) {
    transfer->answer->metadata_flavor =
        std::string(trimmed({data + kFlavor.size(), bytes - kFlavor.size()}));
  }
  return bytes;
}

// Somebody may have put a password into an endpoint's address.
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

}  // namespace

HttpClient::~HttpClient() {
  if (multi_ != nullptr) curl_->multi_cleanup(multi_);
}

std::vector<HttpAnswer> HttpClient::ask_all(const std::vector<HttpRequest>& requests) {
  std::vector<HttpAnswer> answers(requests.size());
  auto refuse_all = [&](const std::string& why) {
    for (size_t i = 0; i < requests.size(); i++) answers[i].problem = about(requests[i]) + why;
    return answers;
  };
  std::string problem;
  if (curl_ == nullptr) curl_ = CurlLibrary::get(&problem);
  if (curl_ == nullptr) return refuse_all(problem);
  auto left = duration_cast<milliseconds>(deadline_ - steady_clock::now());
  if (left.count() <= 0) return refuse_all("not asked, the time for metadata is over");
  if (multi_ == nullptr) multi_ = curl_->multi_init();
  const long limit_ms = static_cast<long>(std::min(left, kCallLimit).count());

  std::vector<std::unique_ptr<Transfer>> transfers;
  for (size_t i = 0; i < requests.size(); i++) {
    const HttpRequest& request = requests[i];
    auto transfer = std::make_unique<Transfer>();
    transfer->request = &request;
    transfer->answer = &answers[i];
    transfer->handle = curl_->easy_init();
    CURL* handle = transfer->handle;
    auto set = [&](CURLoption option, auto value) { curl_->easy_setopt(handle, option, value); };
    for (const std::string& header : request.headers) {
      transfer->headers = curl_->slist_append(transfer->headers, header.c_str());
    }
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_HTTPHEADER, transfer->headers);
    if (request.method != "GET") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TIMEOUT_MS, limit_ms);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500  // 7.85
    set(CURLOPT_PROTOCOLS_STR, request.ca_file.empty() ? "http" : "https");
#else
    set(CURLOPT_PROTOCOLS,
        static_cast<long>(request.ca_file.empty() ? CURLPROTO_HTTP : CURLPROTO_HTTPS));
#endif
    set(CURLOPT_USERAGENT, "telinject/" TELINJECT_VERSION);
    set(CURLOPT_WRITEFUNCTION, take_body);
    set(CURLOPT_WRITEDATA, transfer.get());
    set(CURLOPT_HEADERFUNCTION, take_header);
    set(CURLOPT_HEADERDATA, transfer.get());
    set(CURLOPT_PRIVATE, transfer.get());
#if LIBCURL_VERSION_NUM >= 0x075700  // 7.87
    set(CURLOPT_QUICK_EXIT, 1L);
#endif
    if (!request.ca_file.empty()) {
      set(CURLOPT_CAINFO, request.ca_file.c_str());
      set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
      set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
      // One connection for all questions where the server speaks HTTP/2, as Kubernetes' does.
      set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
      set(CURLOPT_PIPEWAIT, 1L);
    }
    curl_->multi_add_handle(multi_, handle);
    transfers.push_back(std::move(transfer));
  }

  // libcurl ends each transfer at its limit; the second bound is for the case that it does not.
  const Deadline give_up = steady_clock::now() + milliseconds(limit_ms) + kSlice;
  int running = static_cast<int>(transfers.size());
  while (running > 0 && !cancelled_->load() && steady_clock::now() < give_up) {
    if (curl_->multi_perform(multi_, &running) != CURLM_OK) break;
    int queued;
    while (CURLMsg* message = curl_->multi_info_read(multi_, &queued)) {
      if (message->msg != CURLMSG_DONE) continue;
      Transfer* transfer = nullptr;
      long status = 0;
      curl_->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      curl_->easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
      transfer->done = true;
      HttpAnswer& answer = *transfer->answer;
      answer.status = static_cast<int>(status);
      CURLcode code = message->data.result;
      std::string why;
      if (transfer->too_large) {
        why = absl::StrCat("the answer is larger than ", transfer->request->max_bytes, " bytes");
      } else if (code == CURLE_OPERATION_TIMEDOUT) {
        why = absl::StrCat("no answer within ", limit_ms, " ms");
      } else if (code != CURLE_OK) {
        why = curl_->easy_strerror(code);
      } else if (status < 200 || status > 299) {
        why = absl::StrCat("status ", status);
      }
      if (!why.empty()) answer.problem = about(*transfer->request) + why;
    }
    if (running > 0)
      curl_->multi_poll(multi_, nullptr, 0, static_cast<int>(kSlice.count()), nullptr);
  }
  for (auto& transfer : transfers) {
    if (!transfer->done) transfer->answer->problem = about(*transfer->request) + "given up";
    curl_->multi_remove_handle(multi_, transfer->handle);
    curl_->easy_cleanup(transfer->handle);
    curl_->slist_free_all(transfer->headers);
  }
  return answers;
}

}  // namespace telinject
