#include "shim/symbols/unit_symbols.h"

#include "shim/symbols/demangle.h"

namespace telinject {

namespace {

constexpr size_t kMaxUnitSymbols = size_t{1} << 16;
constexpr std::string_view kOperator = "operator";

}  // namespace

UnitSymbols::UnitSymbols(const SymbolTable& symbols, const std::vector<AddressRange>& unit) {
  size_t count = 0;
  auto add = [&](std::string_view name, const Symbol& symbol) {
    auto [found, added] = by_name_.try_emplace(std::string(name), &symbol);
    if (!added && (found->second == nullptr || found->second->vaddr != symbol.vaddr)) {
      found->second = nullptr;
    }
  };
  for (const AddressRange& range : unit) {
    for (const Symbol& symbol : symbols.between(range.begin, range.end)) {
      if (++count > kMaxUnitSymbols) return;
      // Split-off parts are not the function.
      if (without_clone_suffix(symbol.name).size() != std::string_view(symbol.name).size())
        continue;
      std::string name = function_name(symbol.name);
      std::string_view component = last_component(name);
      std::string_view stem = without_template_arguments(component);
      add(component, symbol);
      if (stem.size() != component.size()) add(stem, symbol);
    }
  }
}

const Symbol* UnitSymbols::named(std::string_view plain_name) const {
  auto found = by_name_.find(std::string(plain_name));
  // The compiler and the demangler differ on how to write some template arguments.
  if (found == by_name_.end()) {
    found = by_name_.find(std::string(without_template_arguments(plain_name)));
  }
  return found == by_name_.end() ? nullptr : found->second;
}

std::string_view last_component(std::string_view name) {
  size_t begin = 0, depth = 0;
  for (size_t i = 0; i < name.size(); i++) {
    if (i == begin && name.substr(i).starts_with(kOperator)) break;
    char c = name[i];
    if (c == '<' || c == '(' || c == '{' || c == '[') depth++;
    if ((c == '>' || c == ')' || c == '}' || c == ']') && depth > 0) depth--;
    if (depth == 0 && c == ':' && name.substr(i).starts_with("::")) begin = ++i + 1;
  }
  return name.substr(begin);
}

std::string_view without_template_arguments(std::string_view component) {
  size_t from = 0;
  if (component.starts_with(kOperator)) {
    from = kOperator.size();
    // "operator std::vector<int>" converts to that type.
    if (from < component.size() && (component[from] == ' ' || component[from] == '"')) {
      return component;
    }
    for (std::string_view symbol : {"<<=", "<=>", "<<", "<=", "<"}) {
      if (!component.substr(from).starts_with(symbol)) continue;
      from += symbol.size();
      break;
    }
  }
  component = component.substr(0, component.find('<', from));
  while (component.ends_with(' ')) component.remove_suffix(1);  // of "operator<< <int>"
  return component;
}

}  // namespace telinject
