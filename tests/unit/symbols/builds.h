// The compilers and options that the programs of programs.h are built with.
#pragma once

#include <string>
#include <vector>

#include "programs.h"
#include "workshop.h"

namespace telinject::test {

struct Build {
  const char* compiler;
  const char* options;
  bool clang() const { return std::string(compiler).starts_with("clang"); }
};

inline void write_sources(const Workshop& workshop) {
  workshop.write("main.c", kCProgram);
  workshop.write("other.c", kCOther);
  workshop.write("main.cpp", kCppProgram);
  workshop.write("other.cpp", kCppOther);
  workshop.write("shared.h", kCppHeader);
  workshop.write("hooks.c", kHooks);
}

// Builds the C or C++ program (by the compiler's name) from its two units, instrumented.
inline void build(const Workshop& workshop, const Build& build, const std::string& output) {
  std::string compiler = build.compiler;
  bool cpp = compiler.ends_with("++");
  std::string suffix = cpp ? ".cpp" : ".c";
  // Each unit to an object of its own, as split DWARF needs names that do not clash.
  std::string compile = compiler + " -std=" + (cpp ? "c++17" : "gnu11") +
                        " -finstrument-functions " + build.options + " -w ";
  workshop.run("gcc -O2 -c hooks.c -o hooks.o");
  workshop.run(compile + "-c main" + suffix + " -o " + output + "-main.o");
  workshop.run(compile + "-c other" + suffix + " -o " + output + "-other.o");
  workshop.run(compile + output + "-main.o " + output + "-other.o hooks.o -o " + output +
               " 2>/dev/null");
}

}  // namespace telinject::test
