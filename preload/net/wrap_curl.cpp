// libcurl's easy interface. Its functions are wrapped to put a traceparent into requests and to
// tell a transfer's facts; the requests themselves are seen where they are written, in the TLS
// library or the socket.
//
// None of these are functions by which programs look whether libcurl is there: those
// (curl_easy_init, curl_global_init, curl_version) are not ours. No callback or option of the
// application is touched but CURLOPT_HTTPHEADER, and that only while a transfer is under way.
#include "hooks/http/traffic.h"
#include "preload/net/curl_transfers.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"
#include "preload/start/startup.h"

namespace telinject::program {

namespace {

// The application's list, while no header of ours is in front of it.
void remember_list(void* handle, HeaderList* list) {
  Transfer* transfer = list != nullptr ? make_transfer(handle) : find_transfer(handle);
  if (transfer != nullptr) {
    transfer->application_list = list;
    if (list == nullptr && transfer->id == 0) forget_transfer(handle);
  } else if (list != nullptr) {
    note_missed_list();
  }
}

int set_list(void* handle, HeaderList* list, CurlSetopt setopt) {
  Transfer* transfer = find_transfer(handle);
  if (transfer != nullptr && transfer->injected) {
    // A callback sets it, in the middle of a transfer.
    transfer->application_list = list;
    HeaderList* all = transfer->list_with(list, has_header(list, "tracestate"));
    if (!has_header(list, "traceparent")) return setopt(handle, kCurlHttpHeader, all);
    transfer->injected = false;
    return setopt(handle, kCurlHttpHeader, list);
  }
  int result = setopt(handle, kCurlHttpHeader, list);
  if (result == 0) remember_list(handle, list);
  return result;
}

// Copies share the list, for libcurl copies none; a transfer's header is not for them.
void give_list_to_copy(void* handle, void* copy, bool by_libcurl, const void* library) {
  const Transfer* transfer = find_transfer(handle);
  if (transfer == nullptr) return;
  if (transfer->injected) {
    auto setopt = sibling<CurlSetopt>(kLibrary_curl_easy_setopt, library);
    if (setopt != nullptr) setopt(copy, kCurlHttpHeader, transfer->application_list);
  }
  if (transfer->application_list == nullptr) return;
  // libcurl copies handles for what a server pushes, and may free them without a call that we see.
  if (by_libcurl) {
    note_missed_list();
  } else {
    remember_list(copy, transfer->application_list);
  }
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

// One argument behind the option, whatever its type: none is of floating point, so all come in the
// same register.
TELINJECT_WRAPPER(int, curl_easy_setopt, void* handle, int option, void* argument) {
  const void* site = TELINJECT_CALL_SITE();
  auto real =
      reinterpret_cast<CurlSetopt>(library_function(kLibrary_curl_easy_setopt, site, handle));
  if (real == nullptr) return kCurlFailedInit;
  if (option != kCurlHttpHeader || handle == nullptr || !capturing_http() ||
      same_object(site, reinterpret_cast<const void*>(real))) {
    return real(handle, option, argument);
  }
  return set_list(handle, static_cast<HeaderList*>(argument), real);
}

TELINJECT_WRAPPER(int, curl_easy_perform, void* handle) {
  void* library = library_function(kLibrary_curl_easy_perform, TELINJECT_CALL_SITE(), handle);
  auto real = reinterpret_cast<int (*)(void*)>(library);
  if (real == nullptr) return kCurlFailedInit;
  const Transfer* added = find_transfer(handle);
  if (added != nullptr && added->id != 0 && added->multi != nullptr) return real(handle);
  Transfer* transfer = start_curl_transfer(handle, nullptr, library, TELINJECT_CALLER_SP());
  if (transfer == nullptr) return real(handle);
  uint64_t outer = t_transfer, id = transfer->id;
  t_transfer = id;
  int result = real(handle);
  t_transfer = outer;
  // Unless a callback has ended it, by cleaning the handle up.
  transfer = find_transfer(handle);
  if (transfer != nullptr && transfer->id == id) {
    finish_curl_transfer(handle, transfer, result, library);
  }
  return result;
}

TELINJECT_WRAPPER(void, curl_easy_reset, void* handle) {
  void* library = library_function(kLibrary_curl_easy_reset, TELINJECT_CALL_SITE(), handle);
  auto real = reinterpret_cast<void (*)(void*)>(library);
  if (real == nullptr) return;
  real(handle);
  if (Transfer* transfer = find_transfer(handle)) {
    transfer->injected = false;
    remember_list(handle, nullptr);
  }
}

TELINJECT_WRAPPER(void*, curl_easy_duphandle, void* handle) {
  const void* site = TELINJECT_CALL_SITE();
  void* library = library_function(kLibrary_curl_easy_duphandle, site, handle);
  auto real = reinterpret_cast<void* (*)(void*)>(library);
  if (real == nullptr) return nullptr;
  void* copy = real(handle);
  if (copy != nullptr) give_list_to_copy(handle, copy, same_object(site, library), library);
  return copy;
}

TELINJECT_WRAPPER(void, curl_easy_cleanup, void* handle) {
  void* library = library_function(kLibrary_curl_easy_cleanup, TELINJECT_CALL_SITE(), handle);
  auto real = reinterpret_cast<void (*)(void*)>(library);
  if (real == nullptr) return;
  if (Transfer* transfer = find_transfer(handle)) {
    if (transfer->id != 0) finish_curl_transfer(handle, transfer, -1, library);
    forget_transfer(handle);
  }
  real(handle);
}
