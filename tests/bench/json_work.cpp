// Reads a JSON file and writes it again, in memory, as often as the second argument says.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream file(argv[1]);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  size_t total = 0;
  for (int i = std::atoi(argv[2]); i > 0; i--) total += nlohmann::json::parse(text).dump().size();
  std::printf("%zu\n", total);
  return 0;
}
