// Loads libcurl at the first request. Linking it would cost each start of a drain 4 ms of processor
// time for it and its thirty libraries, and most runs make no request.
#pragma once

#include <curl/curl.h>

#include <string>

namespace telinject::net {

struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_perform) multi_perform;
  decltype(&::curl_multi_poll) multi_poll;
  decltype(&::curl_multi_info_read) multi_info_read;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;

  // Loads the library once. Null, with the reason in *problem, if it is missing or older than 7.66.
  // Thread-safe.
  static const CurlLibrary* get(std::string* problem);
};

}  // namespace telinject::net
