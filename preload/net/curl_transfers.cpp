#include "preload/net/curl_transfers.h"

#include "preload/real/library_functions.h"
#include "preload/start/startup.h"
#include "shim/channel/text.h"

namespace telinject::program {

namespace {

// CURLINFO: the kind of the answer, and its number.
constexpr int kString = 0x100000, kLong = 0x200000, kOffset = 0x600000;
constexpr int kEffectiveUrl = kString + 1;
constexpr int kPrimaryIp = kString + 32;
constexpr int kEffectiveMethod = kString + 58;
constexpr int kResponseCode = kLong + 2;
constexpr int kRedirectCount = kLong + 20;
constexpr int kNumConnects = kLong + 26;
constexpr int kPrimaryPort = kLong + 40;
constexpr int kHttpVersion = kLong + 46;
constexpr int kSizeUpload = kOffset + 7;
constexpr int kSizeDownload = kOffset + 8;
constexpr int kTotalTime = kOffset + 50;
constexpr int kNameLookupTime = kOffset + 51;
constexpr int kConnectTime = kOffset + 52;
constexpr int kPretransferTime = kOffset + 53;
constexpr int kStartTransferTime = kOffset + 54;
constexpr int kRedirectTime = kOffset + 55;
constexpr int kAppConnectTime = kOffset + 56;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
}

// What `text` begins with, whatever its case; null if it does not.
const char* behind_prefix(const char* text, const char* prefix) {
  for (; *prefix != 0; text++, prefix++) {
    if (lower(*text) != *prefix) return nullptr;
  }
  return text;
}

// Without a scheme it is http's, unless libcurl guesses another one by the host's name.
bool may_be_http(const char* url) {
  if (behind_prefix(url, "http://") != nullptr || behind_prefix(url, "https://") != nullptr) {
    return true;
  }
  const char* p = url;
  while (*p != 0 && *p != ':' && *p != '/' && *p != '?' && *p != '#') p++;
  return p[0] != ':' || p[1] != '/' || p[2] != '/';
}

class Answers {
 public:
  Answers(void* handle, const void* library)
      : handle_(handle), getinfo_(sibling<CurlGetinfo>(kLibrary_curl_easy_getinfo, library)) {}

  const char* text(int info) const {
    const char* value = nullptr;
    if (getinfo_ == nullptr || getinfo_(handle_, info, &value) != 0) return nullptr;
    return value;
  }
  int32_t number(int info) const {
    long value = 0;
    if (getinfo_ == nullptr || getinfo_(handle_, info, &value) != 0) return 0;
    return static_cast<int32_t>(value);
  }
  int64_t offset(int info) const {
    int64_t value = 0;
    if (getinfo_ == nullptr || getinfo_(handle_, info, &value) != 0) return 0;
    return value;
  }

 private:
  void* handle_;
  CurlGetinfo getinfo_;
};

uint16_t add_text(TextBuffer* texts, const char* text, size_t limit) {
  if (text == nullptr) return 0;
  size_t before = texts->size(), bytes = 0;
  while (bytes < limit && text[bytes] != 0) bytes++;
  texts->add(text, bytes);
  return static_cast<uint16_t>(texts->size() - before);
}

void set_headers(void* handle, const HeaderList* list, const void* library) {
  auto setopt = sibling<CurlSetopt>(kLibrary_curl_easy_setopt, library);
  if (setopt != nullptr) setopt(handle, kCurlHttpHeader, list);
}

void inject(void* handle, Transfer* transfer, const void* library) {
  HeaderList* list = transfer->application_list;
  transfer->injected = !has_header(list, "traceparent");
  if (!transfer->injected) return;
  set_headers(handle, transfer->list_with(list, has_header(list, "tracestate")), library);
}

// An entry is kept for the application's list; without one there is nothing to keep.
void forget_if_empty(const void* handle, const Transfer* transfer) {
  if (transfer->application_list == nullptr) forget_transfer(handle);
}

}  // namespace

bool has_header(const HeaderList* list, const char* name) {
  for (; list != nullptr; list = list->next) {
    if (list->data == nullptr) continue;
    const char* rest = behind_prefix(list->data, name);
    if (rest != nullptr && (*rest == ':' || *rest == ';')) return true;
  }
  return false;
}

Transfer* start_curl_transfer(void* handle, const void* multi, const void* library, uintptr_t sp) {
  if (!capturing_http() || handle == nullptr) return nullptr;
  Transfer* transfer = find_transfer(handle);
  // Left over: a callback has jumped out of the call that it was made in.
  if (transfer != nullptr && transfer->id != 0) {
    finish_curl_transfer(handle, transfer, -1, library);
  }
  const char* url = Answers(handle, library).text(kEffectiveUrl);
  if (url != nullptr && !may_be_http(url)) return nullptr;
  transfer = find_transfer(handle);
  if (transfer == nullptr && !lists_were_missed()) transfer = make_transfer(handle);
  if (transfer == nullptr) return nullptr;
  if (!begin_transfer(transfer, url, sp)) {
    forget_if_empty(handle, transfer);
    return nullptr;
  }
  transfer->multi = multi;
  inject(handle, transfer, library);
  return transfer;
}

void finish_curl_transfer(void* handle, Transfer* transfer, int result, const void* library) {
  HttpTransferEndMessage end = {};
  char space[2560];
  TextBuffer texts(space, sizeof space);
  end.result = result;
  if (transfer->context.sampled != 0) {
    Answers curl(handle, library);
    end.http_version = curl.number(kHttpVersion);
    end.response_code = curl.number(kResponseCode);
    end.redirects = curl.number(kRedirectCount);
    end.connects = curl.number(kNumConnects);
    end.peer_port = curl.number(kPrimaryPort);
    end.name_lookup_us = curl.offset(kNameLookupTime);
    end.connect_us = curl.offset(kConnectTime);
    end.tls_us = curl.offset(kAppConnectTime);
    end.pretransfer_us = curl.offset(kPretransferTime);
    end.first_byte_us = curl.offset(kStartTransferTime);
    end.total_us = curl.offset(kTotalTime);
    end.redirect_us = curl.offset(kRedirectTime);
    end.sent_bytes = curl.offset(kSizeUpload);
    end.received_bytes = curl.offset(kSizeDownload);
    auto describe = sibling<const char* (*)(int)>(kLibrary_curl_easy_strerror, library);
    const char* error = result > 0 && describe != nullptr ? describe(result) : nullptr;
    end.peer_bytes = add_text(&texts, curl.text(kPrimaryIp), 64);
    end.url_bytes = add_text(&texts, curl.text(kEffectiveUrl), 2048);
    end.error_bytes = add_text(&texts, error, 256);
    end.method_bytes = add_text(&texts, curl.text(kEffectiveMethod), 64);
  }
  if (transfer->injected) set_headers(handle, transfer->application_list, library);
  transfer->injected = false;
  end_transfer(transfer, &end, space);
  forget_if_empty(handle, transfer);
}

}  // namespace telinject::program
