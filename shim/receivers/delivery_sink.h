// A sink that sends lines of events to a receiver. It waits for the receiver only at the end.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "shim/delivery/delivery.h"
#include "shim/sinks/sink.h"

namespace telinject::receivers {

class DeliverySink final : public Sink {
 public:
  struct Patience {
    // How long flush() waits for a receiver that answers.
    std::chrono::milliseconds flush{5000};
    // The time from hurry() until everything must be sent.
    std::chrono::milliseconds end{10000};
    // write() waits for room instead of using the disk or losing lines (convert: no program waits).
    bool waits_for_room = false;
  };

  DeliverySink(std::unique_ptr<delivery::Delivery> delivery,
               std::shared_ptr<const delivery::Framing> framing, const Patience& patience);

  uint64_t write(std::string_view lines) override;
  uint64_t flush() override;
  std::string describe() const override { return delivery_->describe(); }
  bool hopeless() const override { return delivery_->hopeless(); }
  bool tells_losses() const override { return true; }
  void hurry() override;
  void stop() override;
  uint64_t finish() override;
  std::string outcome() const override;

 private:
  uint64_t count();

  std::unique_ptr<delivery::Delivery> delivery_;
  std::shared_ptr<const delivery::Framing> framing_;
  const Patience patience_;
  uint64_t lost_ = 0;
  bool hurried_ = false;
};

}  // namespace telinject::receivers
