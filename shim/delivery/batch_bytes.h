// A batch as bytes, without its framing: for spools and files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shim/delivery/batch.h"

namespace telinject::delivery {

void append_batch(const Batch& batch, std::string* bytes);
// Nullopt if they are not those of a batch.
std::optional<Batch> read_batch(std::string_view bytes);

// Numbers as they lie in memory; a text behind its length.
void append_number(uint64_t number, std::string* bytes);
void append_text(std::string_view text, std::string* bytes);
// From the front, which is taken off; false if there is not as much.
bool take_number(std::string_view* bytes, uint64_t* number);
bool take_text(std::string_view* bytes, std::string_view* text);

}  // namespace telinject::delivery
