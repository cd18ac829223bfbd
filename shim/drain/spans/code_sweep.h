// Forgets code that comes and goes: what is known of call sites that lie in no module, as those of
// a just-in-time compiler do, and of modules that have been unloaded, once there is much of it.
//
// What open calls and operations refer to stays. Totals of functions stay, too (totals_table.h).
#pragma once

#include "shim/drain/naming/code_map.h"
#include "shim/drain/naming/site_table.h"
#include "shim/drain/naming/stack_text.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/process_table.h"

namespace telinject::drain {

class CodeSweep {
 public:
  CodeSweep(ModuleCache* modules, SiteCache* sites, StackNamer* stacks, ProcessTable* table,
            EventWriter* events)
      : modules_(modules), sites_(sites), stacks_(stacks), table_(table), events_(events) {
    sites_->on_too_many([this] { run(); });
  }

  // Between records. Of call sites by itself, when another one is asked for: nothing then refers to
  // one but what is open.
  void run_if_wanted() {
    if (modules_->wants_sweep()) run();
  }

 private:
  void run();
  SiteCache::InUse in_use();

  ModuleCache* modules_;
  SiteCache* sites_;
  StackNamer* stacks_;
  ProcessTable* table_;
  EventWriter* events_;
};

}  // namespace telinject::drain
