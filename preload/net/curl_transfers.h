// A transfer of libcurl from its beginning to its end, for the easy and the multi interface.
//
// Safety class: that of libcurl's own functions, which are called here; no heap of ours, no lock.
#pragma once

#include <cstdint>

#include "preload/net/transfers.h"

namespace telinject::program {

// libcurl's ABI, which has not changed since 7.16. Variadic functions are called as such.
inline constexpr int kCurlFailedInit = 2;      // CURLE_FAILED_INIT
inline constexpr int kCurlMultiBadHandle = 1;  // CURLM_BAD_HANDLE
inline constexpr int kCurlHttpHeader = 10023;  // CURLOPT_HTTPHEADER
using CurlSetopt = int (*)(void* handle, int option, ...);
using CurlGetinfo = int (*)(void* handle, int info, ...);

// True if one of the headers has that name (in small letters here), in whatever case.
bool has_header(const HeaderList* list, const char* name);

// A transfer begins: its facts are told, and the handle gets our header in front of its own. Null
// if it is none of HTTP, or nothing is to be recorded. `library` is any function of the libcurl
// that the handle is of; `multi` is null for curl_easy_perform.
Transfer* start_curl_transfer(void* handle, const void* multi, const void* library, uintptr_t sp);

// It is over (a CURLcode, or -1 if it was given up): the handle gets its own headers back.
void finish_curl_transfer(void* handle, Transfer* transfer, int result, const void* library);

}  // namespace telinject::program
