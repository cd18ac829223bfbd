#include "shim/net/curl_library.h"

#include <dlfcn.h>

namespace telinject::net {

namespace {

struct Loaded {
  CurlLibrary library = {};
  std::string problem;

  Loaded() {
    constexpr const char* kFile = "libcurl.so.4";
    void* handle = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      problem = std::string(kFile) + " cannot be loaded (apt-get install libcurl4)";
      return;
    }
    auto find = [&](auto* function, const char* name) {
      void* symbol = dlsym(handle, name);
      if (symbol == nullptr && problem.empty()) {
        problem = std::string(kFile) + " has no " + name + ": 7.66 or later is needed";
      }
      *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(symbol);
    };
    decltype(&::curl_global_init) global_init = nullptr;
    find(&global_init, "curl_global_init");
    find(&library.easy_init, "curl_easy_init");
    find(&library.easy_setopt, "curl_easy_setopt");
    find(&library.easy_getinfo, "curl_easy_getinfo");
    find(&library.easy_cleanup, "curl_easy_cleanup");
    find(&library.easy_strerror, "curl_easy_strerror");
    find(&library.multi_init, "curl_multi_init");
    find(&library.multi_setopt, "curl_multi_setopt");
    find(&library.multi_add_handle, "curl_multi_add_handle");
    find(&library.multi_remove_handle, "curl_multi_remove_handle");
    find(&library.multi_perform, "curl_multi_perform");
    find(&library.multi_poll, "curl_multi_poll");
    find(&library.multi_info_read, "curl_multi_info_read");
    find(&library.multi_cleanup, "curl_multi_cleanup");
    find(&library.slist_append, "curl_slist_append");
    find(&library.slist_free_all, "curl_slist_free_all");
    if (problem.empty() && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      problem = std::string(kFile) + " does not start";
    }
  }
};

}  // namespace

const CurlLibrary* CurlLibrary::get(std::string* problem) {
  static const Loaded loaded;
  if (loaded.problem.empty()) return &loaded.library;
  *problem = loaded.problem;
  return nullptr;
}

}  // namespace telinject::net
