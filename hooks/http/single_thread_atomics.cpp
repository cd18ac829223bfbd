#include "hooks/http/single_thread_atomics.h"

namespace telinject::program {

static constexpr char kSeveral = 0;
const char* g_single_threaded = &kSeveral;

}  // namespace telinject::program
