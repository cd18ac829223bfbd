#include "shim/events/otlp/optional_answers.h"

#include <utility>

namespace telinject::otlp {

namespace {

class OptionalAnswers final : public delivery::AnswerReader {
 public:
  OptionalAnswers(std::shared_ptr<const delivery::AnswerReader> reader,
                  std::shared_ptr<std::atomic<bool>> unwanted)
      : reader_(std::move(reader)), unwanted_(std::move(unwanted)) {}

  delivery::Verdict read(const delivery::Answer& answer, size_t items) const override {
    constexpr int kNotFound = 404;
    constexpr char kUnimplemented[] = "12";
    bool unknown = answer.status == kNotFound || answer.field("grpc-status") == kUnimplemented;
    if (!unknown) return reader_->read(answer, items);
    unwanted_->store(true, std::memory_order_relaxed);
    return {};
  }

 private:
  std::shared_ptr<const delivery::AnswerReader> reader_;
  std::shared_ptr<std::atomic<bool>> unwanted_;
};

}  // namespace

std::shared_ptr<const delivery::AnswerReader> optional_answers(
    std::shared_ptr<const delivery::AnswerReader> reader,
    std::shared_ptr<std::atomic<bool>> unwanted) {
  return std::make_shared<OptionalAnswers>(std::move(reader), std::move(unwanted));
}

}  // namespace telinject::otlp
