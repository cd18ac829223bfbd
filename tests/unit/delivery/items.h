// Batches of items for tests.
#pragma once

#include <memory>
#include <string>

#include "shim/delivery/batch.h"

namespace telinject::test {

// Items one after another, as they are.
class PlainFraming final : public delivery::Framing {
 public:
  void append_body(const delivery::Batch& batch, size_t from, size_t to,
                   std::string* body) const override {
    for (size_t i = from; i < to; i++) body->append(batch.item(i));
  }
  std::string_view kind() const override { return "test"; }
};

inline std::shared_ptr<const delivery::Framing> plain() {
  static const auto framing = std::make_shared<PlainFraming>();
  return framing;
}

// "0;", "1;", ... each of a trace of its own, unless one is given.
inline delivery::Batch items(size_t from, size_t to, uint64_t trace = 0) {
  delivery::Batch batch;
  batch.framing = plain();
  for (size_t i = from; i < to; i++) {
    batch.add(std::to_string(i) + ";", {trace, trace != 0 ? trace : i + 1});
  }
  return batch;
}

}  // namespace telinject::test
