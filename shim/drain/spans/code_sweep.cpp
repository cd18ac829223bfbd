#include "shim/drain/spans/code_sweep.h"

#include "shim/drain/spans/operation_kinds.h"

namespace telinject::drain {

SiteCache::InUse CodeSweep::in_use() {
  SiteCache::InUse used;
  auto add = [&](const FrameStack& stack) {
    for (const Frame& frame : stack.frames) used.insert(frame.site);
  };
  for (Process* process : table_->processes()) {
    process->stacks.each(add);
    for (const auto& thread : process->threads) {
      add(thread->tree.home());
      const auto& main = thread->errors.deferred_main;
      if (main.has_value()) used.insert(main->frame.site);
    }
    OperationKinds::each_span(*process,
                              [&](const OperationSpan& span) { used.insert(span.function); });
  }
  return used;
}

void CodeSweep::run() {
  SiteCache::InUse used = in_use();
  SiteCache::Modules needed, dropped;
  std::vector<Module*> unmapped = modules_->unmapped();
  if (!unmapped.empty()) sites_->find_modules(used, &needed);
  for (Module* module : unmapped) {
    if (!needed.contains(module)) dropped.insert(module);
  }
  sites_->sweep(used, dropped, [&](const Site& site) { events_->forget(site); });
  if (!dropped.empty()) stacks_->forget();
  modules_->drop(dropped);
}

}  // namespace telinject::drain
