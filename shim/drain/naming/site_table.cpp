#include "shim/drain/naming/site_table.h"

#include "absl/strings/str_cat.h"
#include "shim/drain/base/warn.h"

namespace telinject::drain {

struct SiteCache::Description {
  FunctionDescription function;
  std::string module;
  std::string caller;
  SourceLine caller_line;
  std::vector<uint64_t> chain;
};

namespace {

std::string hex_name(uint64_t address) {
  return absl::StrCat("0x", absl::Hex(address));
}

bool same_function(const InlineFrame& frame, const FunctionDescription& function) {
  const std::string& a = frame.linkage_name.empty() ? frame.name : frame.linkage_name;
  const std::string& b = function.linkage_name.empty() ? function.name : function.linkage_name;
  return a == b;
}

}  // namespace

// Identities are the module's; made one space here, so that a chain is a list of numbers.
uint64_t SiteCache::global_id(const CodePlace& place, uint64_t id) {
  if (id == 0) return 0;
  uint64_t& global = ids_[{place.module, id}];
  if (global == 0) global = next_id_++;
  return global;
}

std::vector<uint64_t> SiteCache::chain(const CodePlace& place) {
  std::vector<uint64_t> chain;
  if (place.module == nullptr) return chain;
  for (const InlineFrame& frame : place.module->frames(place.vaddr)) {
    chain.push_back(global_id(place, frame.id));
  }
  if (!chain.empty() && chain.front() == 0) chain.clear();
  return chain;
}

// An inlined call's caller is its parent on the inline chain; a real call's is the innermost
// function at the call site.
SiteCache::Description SiteCache::describe(const CodePlace& function,
                                           const CodePlace& return_address,
                                           const CodePlace& call_site) {
  Description description;
  if (function.module != nullptr) {
    description.function = function.module->function(function.vaddr);
  } else {
    description.function.name = hex_name(function.vaddr);
  }
  std::vector<InlineFrame> frames;
  if (return_address.module != nullptr) {
    description.module = return_address.module->short_name();
    frames = return_address.module->frames(return_address.vaddr);
    for (const InlineFrame& frame : frames) {
      description.chain.push_back(global_id(return_address, frame.id));
    }
    if (!description.chain.empty() && description.chain.front() == 0) description.chain.clear();
  }
  if (frames.size() > 1 && same_function(frames.back(), description.function)) {
    description.caller = frames[frames.size() - 2].name;
    description.caller_line = frames.back().called_from;
  } else if (call_site.module != nullptr) {
    std::vector<InlineFrame> callers = call_site.module->frames(call_site.vaddr);
    if (!callers.empty()) description.caller = callers.back().name;
    description.caller_line = call_site.module->call_line(call_site.vaddr);
    if (description.caller.empty()) {
      description.caller =
          absl::StrCat(call_site.module->short_name(), "+0x", absl::Hex(call_site.vaddr));
    }
  }
  for (Module* module : {function.module, return_address.module, call_site.module}) {
    std::string problem = module == nullptr ? "" : module->untold_problem();
    if (!problem.empty()) warn(problem);
  }
  return description;
}

const Site* SiteCache::site(const CodePlace& function, const CodePlace& return_address,
                            const CodePlace& call_site) {
  auto place = [](const CodePlace& p) { return Place(p.module, p.vaddr); };
  Key key(place(function), place(return_address), place(call_site));
  if (auto found = sites_.find(key); found != sites_.end()) return &found->second;
  if (is_passing(key)) {
    if (passing_ >= kMostPassing) too_many_();  // counts anew
    passing_++;
  }
  Site& site = sites_[key];
  Description description = describe(function, return_address, call_site);
  const FunctionDescription& f = description.function;
  site.chain = std::move(description.chain);
  if (std::vector<uint64_t> callers = chain(call_site); !callers.empty()) {
    site.caller = callers.front();
  }
  site.totals = totals_.row_of(function.module, function.vaddr, f);
  site.is_main = f.name == "main";
  if (filter_ != nullptr && filter_->by_name()) {
    site.filtered_by =
        filter_->judge_names(f.name, f.linkage_name, f.declared.file, description.module);
  }
  FunctionInfo& info = site.function;
  info.number = take_number();
  info.name = f.name;
  if (f.parameters_known) info.parameters = f.parameters;
  info.linkage_name = f.linkage_name;
  info.file = f.declared.file;
  info.line = f.declared.line;
  info.caller = description.caller;
  info.caller_file = description.caller_line.file;
  info.caller_line = description.caller_line.line;
  info.module = description.module;
  return &site;
}

const Site* SiteTable::site(uint64_t function, uint32_t return_address, uint64_t call_site) {
  if (generation_ != code_->generation() || cache_generation_ != cache_->generation()) {
    sites_ = {};
    generation_ = code_->generation();
    cache_generation_ = cache_->generation();
  }
  auto [it, added] = sites_.try_emplace(Key{function, call_site, return_address});
  if (added) {
    uint64_t full = code_->widen(return_address, function);
    it->second = cache_->site(code_->find(function), code_->find(full), code_->find(call_site));
  }
  return it->second;
}

std::vector<uint64_t> SiteTable::chain(uint64_t return_address) {
  return cache_->chain(code_->find(return_address));
}

}  // namespace telinject::drain
