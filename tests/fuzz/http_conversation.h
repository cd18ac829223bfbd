// What the fuzzers of HTTP have in common.
#pragma once

#include <string>

namespace telinject::program::heard {

// `data` is a conversation: a byte that seeds the cuts, then the bytes; 0xff and a small number
// change what comes next: the direction, whether the bytes are at hand, the end of a stream.
// `opening` is sent first.
void check_conversation(const unsigned char* data, size_t size, const std::string& opening);

}  // namespace telinject::program::heard
