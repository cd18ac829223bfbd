// The page of a report (shim/views/page/), made into text by embed.cmake, with {{STYLE}},
// {{SCRIPT}}, {{DATA}} and the hashes to be filled in.
#pragma once

namespace telinject::views {

extern const char k_page[], k_style[], k_script[];

}  // namespace telinject::views
