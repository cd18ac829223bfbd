// Uses much of the C++ library, most of it templates: what a compiler must not instrument, and what
// does not link if it does. Prints "6 abc 14 1 42 2 true". MATCH: with a regular expression, which
// takes the compiler longer than all the rest.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>
#if __cplusplus >= 202002L && __has_include(<ranges>)
#include <ranges>
#endif

int twice(int x) {
  return 2 * x;
}

struct Item {
  std::string name;
  std::vector<int> parts;
  int sum() const {
    int total = 0;
    std::for_each(parts.begin(), parts.end(), [&](int part) { total += part; });
    return total;
  }
};

int main() {
  std::map<std::string, Item> items;
  items["a"].parts = {3, 1, 2};
  Item& item = items["a"];
  std::sort(item.parts.begin(), item.parts.end(), [](int a, int b) { return a < b; });
  std::function<int(int)> f = twice;
  int answer = 0;
  std::thread thread([&] { answer = f(21); });
  thread.join();
  auto shared = std::make_shared<Item>(item);
  std::ostringstream text;
  text << item.sum() << ' ' << std::string("ab") + 'c' << ' ' << f(7) << ' ' << item.parts[0];
  std::cout << text.str() << ' ' << answer << ' ' << shared.use_count() + 1 << ' ' << std::boolalpha
#ifdef MATCH
            << std::regex_match("aab", std::regex("a+b"))
#else
            << true
#endif
            << '\n';
}
