// The HTTP receiver of events that the settings ask for: where, how, in which format.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shim/channel/settings.h"
#include "shim/delivery/batch.h"
#include "shim/delivery/delivery.h"
#include "shim/delivery/endpoint.h"

namespace telinject::receivers {

struct Receiver {
  delivery::Endpoint endpoint;
  delivery::Delivery::Limits limits;  // the format's; memory and disk have defaults
  std::shared_ptr<const delivery::Framing> framing;
};

// Nullopt if events cannot be sent with these settings: the problem then says what is wrong and
// what to do. It never contains a secret.
std::optional<Receiver> make_receiver(const Settings& settings, std::string* problem);

}  // namespace telinject::receivers
