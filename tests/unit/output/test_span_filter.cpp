// Which names, files and modules fit.
#include <catch2/catch.hpp>

#include "shim/drain/naming/span_filter.h"

namespace telinject::test::span_filter_test {
using namespace drain;

TEST_CASE("a list of globs: any of them, as a whole") {
  Globs globs("main, ns::*::area,,operator?<*");
  CHECK(globs.match("main"));
  CHECK(globs.match("ns::a::b::area"));
  CHECK(globs.match("operator<<int, long>"));
  CHECK_FALSE(globs.match("main2"));
  CHECK_FALSE(globs.match("domain"));
  CHECK_FALSE(globs.match(""));
  CHECK_FALSE(globs.match(" main"));
}

TEST_CASE("nothing but separators is no list") {
  for (const char* text : {"", ",", " , ,"}) {
    CHECK(Globs(text).empty());
    CHECK_FALSE(Globs(text).match("a"));
  }
  CHECK_FALSE(Globs("*").match(""));
}

TEST_CASE("a path fits from any of its folders on") {
  Globs globs("src/*.c,/usr/include/*");
  CHECK(globs.match_path("src/a.c"));
  CHECK(globs.match_path("/home/me/src/b/a.c"));
  CHECK(globs.match_path("/usr/include/c++/12/bits/a.h"));
  CHECK_FALSE(globs.match_path("/home/me/mysrc/a.c"));
  CHECK_FALSE(globs.match_path("/chroot/usr/include/a.h"));
  CHECK_FALSE(globs.match_path("/home/me/src/a.cpp"));
  CHECK_FALSE(globs.match_path(""));
}

TEST_CASE("of several kinds of include a call has to pass each; one exclude is enough") {
  SpanFilter filter;
  filter.functions.include = Globs("f*,_Z1fv");
  filter.files.include = Globs("a.c");
  CHECK(filter.judge_names("f", "", "/x/a.c", "m") == FilteredBy::kNothing);
  CHECK(filter.judge_names("g(int)", "_Z1fv", "/x/a.c", "m") == FilteredBy::kNothing);
  CHECK(filter.judge_names("f", "", "/x/b.c", "m") == FilteredBy::kInclude);
  CHECK(filter.judge_names("f", "", "", "m") == FilteredBy::kInclude);
  CHECK(filter.judge_names("g", "", "/x/a.c", "m") == FilteredBy::kInclude);
  filter.modules.exclude = Globs("m");
  CHECK(filter.judge_names("f", "", "/x/a.c", "m") == FilteredBy::kExclude);
  CHECK(filter.judge_names("g", "", "/x/a.c", "m") == FilteredBy::kExclude);
  CHECK(filter.judge_names("f", "", "/x/a.c", "n") == FilteredBy::kNothing);
  CHECK(filter.judge_names("f", "", "/x/a.c", "") == FilteredBy::kNothing);
}

TEST_CASE("depth counts from one; a name comes before it") {
  SpanFilter filter;
  CHECK_FALSE(filter.active());
  CHECK(filter.judge(FilteredBy::kNothing, 1000000) == FilteredBy::kNothing);
  filter.max_depth = 2;
  CHECK(filter.active());
  CHECK(filter.judge(FilteredBy::kNothing, 2) == FilteredBy::kNothing);
  CHECK(filter.judge(FilteredBy::kNothing, 3) == FilteredBy::kMaxDepth);
  CHECK(filter.judge(FilteredBy::kExclude, 3) == FilteredBy::kExclude);
}

TEST_CASE("each kind of filter alone is one") {
  auto active = [](auto set) {
    SpanFilter filter;
    set(&filter);
    return filter.active();
  };
  CHECK(active([](SpanFilter* f) { f->min_duration_ns = 1; }));
  CHECK(active([](SpanFilter* f) { f->functions.exclude = Globs("a"); }));
  CHECK(active([](SpanFilter* f) { f->files.include = Globs("a"); }));
  CHECK(active([](SpanFilter* f) { f->modules.exclude = Globs("a"); }));
  CHECK_FALSE(active([](SpanFilter* f) { f->modules.exclude = Globs(" ,"); }));
}

}  // namespace telinject::test::span_filter_test
