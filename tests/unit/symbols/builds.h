// The programs of programs.h, by compiler and options. Each is built once, for all tests that ask.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "programs.h"
#include "tools.h"

namespace telinject::test {

struct Build {
  const char* compiler;
  const char* options;
  bool cpp() const { return std::string(compiler).ends_with("++"); }
  bool has(const char* option) const {
    return std::string(options).find(option) != std::string::npos;
  }
};

class Builds {
 public:
  static Builds& get() {
    static Builds all;
    return all;
  }

  const Workshop& workshop() const { return workshop_; }

  // The program's name in the workshop: C or C++ (by the compiler's name), instrumented.
  const std::string& program(const Build& build) {
    std::string& name = programs_[std::string(build.compiler) + " " + build.options];
    if (!name.empty()) return name;
    std::string made = "program" + std::to_string(programs_.size());
    std::string suffix = build.cpp() ? ".cpp" : ".c";
    // Each unit to an object of its own, as split DWARF needs names that do not clash.
    std::string compile = std::string(build.compiler) +
                          " -std=" + (build.cpp() ? "c++17" : "gnu11") +
                          " -finstrument-functions " + build.options + " -w ";
    std::string main = made + "-main.o", other = made + "-other.o";
    workshop_.run(compile + "-c main" + suffix + " -o " + main + " & pid=$!; " + compile +
                  "-c other" + suffix + " -o " + other + " && wait $pid && " + compile + main +
                  " " + other + " hooks.o -o " + made + " 2>/dev/null");
    return name = made;
  }

 private:
  Builds() {
    workshop_.write("main.c", kCProgram);
    workshop_.write("other.c", kCOther);
    workshop_.write("main.cpp", kCppProgram);
    workshop_.write("other.cpp", kCppOther);
    workshop_.write("shared.h", kCppHeader);
    workshop_.write("hooks.c", kHooks);
    workshop_.run("gcc -O2 -c hooks.c -o hooks.o");
  }

  Workshop workshop_;
  std::map<std::string, std::string> programs_;
};

}  // namespace telinject::test
