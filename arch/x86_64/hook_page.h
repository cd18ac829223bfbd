// The page that holds the entry points of the hooks, and a page of `ret` instructions behind it,
// which takes its place when tracing is switched off. A thread that is within a hook then goes on
// with a `ret`: hooks leave the stack pointer alone.
#pragma once

// Begins the page in `section`, at the symbol `start`.
#define TELINJECT_ARCH_HOOK_PAGE(section, start) \
  __asm__(".pushsection " section                \
          ",\"ax\",@progbits\n"                  \
          ".balign 4096\n" start                 \
          ":\n"                                  \
          ".popsection")

// Ends it, and defines the page of returns at the symbol `start`. In the section, code is in the
// order of the source file (-fno-toplevel-reorder).
#define TELINJECT_ARCH_PAGE_OF_RETURNS(section, start) \
  __asm__(".pushsection " section                      \
          ",\"ax\",@progbits\n"                        \
          ".balign 4096, 0xc3\n" start                 \
          ":\n"                                        \
          ".fill 4096, 1, 0xc3\n" /* ret */            \
          ".popsection")
