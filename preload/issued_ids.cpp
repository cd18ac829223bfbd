// Until libcurl is wrapped there is nobody who issues ids.
#include "hooks/http/traffic.h"

namespace telinject {

__attribute__((weak)) void issued_id_sent(uint64_t) {}

}  // namespace telinject
