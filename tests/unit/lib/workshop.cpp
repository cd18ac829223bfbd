#include "tests/unit/lib/workshop.h"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace telinject::test {

Workshop::Workshop() {
  std::string name = (std::filesystem::temp_directory_path() / "unit-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  // As the compiler will write it into the debug information.
  directory_ = std::filesystem::canonical(name).string();
}

Workshop::~Workshop() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string Workshop::write(const std::string& name, const std::string& text) const {
  std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
  std::ofstream(path(name), std::ios::binary) << text;
  return path(name);
}

std::string Workshop::run(const std::string& command) const {
  std::string line = "cd " + directory_ + " && { " + command + "; }";
  FILE* pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  INFO(command);
  REQUIRE(pclose(pipe) == 0);
  return output;
}

bool Workshop::try_run(const std::string& command) const {
  std::string line = "cd " + directory_ + " && { " + command + "; } >/dev/null 2>&1";
  return std::system(line.c_str()) == 0;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace telinject::test
