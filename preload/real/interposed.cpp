// Every exported row of interposed.def must have a wrapper: the symbol that TELINJECT_INTERPOSES
// (export.h) defines is referred to here, by a section of the file that is not loaded. GNU's
// linkers say which one is undefined; lld does not, and leaves it to scripts/checks/library.
#define TELINJECT_EXPORTED(name)                \
  __asm__(                                      \
      ".pushsection .telinject_wrappers,\"\"\n" \
      ".hidden wrapper_of_" #name               \
      "\n"                                      \
      ".byte wrapper_of_" #name                 \
      "\n"                                      \
      ".popsection");
#include "preload/real/interposed.def"
