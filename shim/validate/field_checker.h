// One event by itself: has it the fields and attributes that its type needs, and are their values
// as the registry says? An attribute may have any further name, a field may not.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "shim/events/registry/registry.h"

namespace telinject::validate {

class FieldChecker {
 public:
  FieldChecker();
  // What is wrong with it; "" if nothing is. The text names the field.
  std::string problem_of(const nlohmann::json& event) const;

 private:
  // By name; and those whose name ends in ".*", which stand for all that begin so.
  struct Fields {
    std::unordered_map<std::string_view, const registry::Attribute*> named;
    std::vector<std::pair<std::string_view, const registry::Attribute*>> beginning;
    void add(const registry::Attribute& field);
    const registry::Attribute* find(std::string_view name) const;
  };

  std::string problem_of_type(const nlohmann::json& event, const registry::Event& type) const;
  std::string problem_of_needs(const nlohmann::json& event, const registry::Event& type) const;
  std::string problem_of_object(const nlohmann::json& object, const std::string& prefix,
                                std::string_view type) const;
  std::string problem_of_attributes(const nlohmann::json& attributes, std::string_view type) const;
  std::string problem_of_value(const registry::Attribute& field, const std::string& name,
                               const nlohmann::json& value, std::string_view type) const;

  std::unordered_map<std::string_view, const registry::Event*> events_;
  Fields fields_, attributes_;
  std::set<std::string, std::less<>> objects_;  // of which fields are members: "process"
  std::unordered_map<std::string_view, std::unordered_set<std::string_view>> values_;
};

}  // namespace telinject::validate
