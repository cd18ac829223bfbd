// libcurl's multi interface: a transfer begins when its handle is added, and ends when its result
// is read, else when the handle is removed, else with the multi handle. What happens in between is
// driven by any of libcurl's functions, none of which have to be seen.
//
// curl_easy_perform is made of these functions, and calls them by way of us: calls from within
// libcurl are passed on.
#include "preload/net/curl_transfers.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"

namespace telinject::program {

namespace {

// struct CURLMsg
struct MultiMessage {
  int kind;
  void* handle;
  union {
    void* whatever;
    int result;
  } data;
};
constexpr int kDone = 1;  // CURLMSG_DONE

// The handle's transfer, if it was begun by curl_multi_add_handle.
Transfer* added_transfer(const void* handle) {
  Transfer* transfer = find_transfer(handle);
  return transfer != nullptr && transfer->id != 0 && transfer->multi != nullptr ? transfer
                                                                                : nullptr;
}

void give_up(const void* handle, Transfer* transfer, void* library) {
  finish_curl_transfer(const_cast<void*>(handle), transfer, -1, library);
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, curl_multi_add_handle, void* multi, void* handle) {
  const void* site = TELINJECT_CALL_SITE();
  void* library = library_function(kLibrary_curl_multi_add_handle, site, multi);
  auto real = reinterpret_cast<int (*)(void*, void*)>(library);
  if (real == nullptr) return kCurlMultiBadHandle;
  if (multi == nullptr || same_object(site, library) || added_transfer(handle) != nullptr) {
    return real(multi, handle);
  }
  Transfer* transfer = start_curl_transfer(handle, multi, library, TELINJECT_CALLER_SP());
  int result = real(multi, handle);
  if (transfer != nullptr && result != 0) finish_curl_transfer(handle, transfer, -1, library);
  return result;
}

TELINJECT_WRAPPER(int, curl_multi_remove_handle, void* multi, void* handle) {
  const void* site = TELINJECT_CALL_SITE();
  void* library = library_function(kLibrary_curl_multi_remove_handle, site, multi);
  auto real = reinterpret_cast<int (*)(void*, void*)>(library);
  if (real == nullptr) return kCurlMultiBadHandle;
  int result = real(multi, handle);
  if (result != 0 || same_object(site, library)) return result;
  Transfer* transfer = added_transfer(handle);
  if (transfer != nullptr && transfer->multi == multi) {
    finish_curl_transfer(handle, transfer, -1, library);
  }
  return result;
}

TELINJECT_WRAPPER(void*, curl_multi_info_read, void* multi, int* left) {
  const void* site = TELINJECT_CALL_SITE();
  void* library = library_function(kLibrary_curl_multi_info_read, site, multi);
  auto real = reinterpret_cast<void* (*)(void*, int*)>(library);
  if (real == nullptr) return nullptr;
  void* result = real(multi, left);
  auto* message = static_cast<const MultiMessage*>(result);
  if (message == nullptr || message->kind != kDone || same_object(site, library)) return result;
  if (Transfer* transfer = added_transfer(message->handle)) {
    finish_curl_transfer(message->handle, transfer, message->data.result, library);
  }
  return result;
}

TELINJECT_WRAPPER(int, curl_multi_cleanup, void* multi) {
  const void* site = TELINJECT_CALL_SITE();
  void* library = library_function(kLibrary_curl_multi_cleanup, site, multi);
  auto real = reinterpret_cast<int (*)(void*)>(library);
  if (real == nullptr) return kCurlMultiBadHandle;
  if (multi != nullptr && !same_object(site, library)) {
    each_transfer_of(multi, give_up, library);
  }
  return real(multi);
}
