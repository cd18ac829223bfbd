// http_parser, called so that none of its assertions can end the traced program.
//
// They state what it knows of itself and are not reached: its errors are returned, and what is
// changed of its state from outside (skip_http1) stays within them. Debian's library has them
// compiled in, though, and needs an __assert_fail, which must not return: ours jumps out of the
// parser, and the connection is given up.
#pragma once

#include <http_parser.h>

#include <cstddef>
#include <cstdint>

namespace telinject::program {

// False if an assertion failed. Async-signal-safe.
bool guarded_execute(http_parser* parser, const http_parser_settings* settings, const uint8_t* data,
                     size_t size, size_t* taken);

}  // namespace telinject::program
