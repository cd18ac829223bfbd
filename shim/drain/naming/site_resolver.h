// What the call tree asks of names.
#pragma once

#include <cstdint>
#include <vector>

namespace telinject::drain {

struct Site;  // sites.h: what is known of a function as called from one place

// What names and inline chains are needed for.
class SiteResolver {
 public:
  virtual ~SiteResolver() = default;
  virtual const Site* site(uint64_t function, uint32_t return_address, uint64_t call_site) = 0;
  // The inline chain at a return address, outermost first; empty if not known.
  virtual std::vector<uint64_t> chain(uint64_t return_address) = 0;
};

}  // namespace telinject::drain
