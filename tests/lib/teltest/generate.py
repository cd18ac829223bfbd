"""Random C and C++ programs that know their own call tree.

Every function of such a program first calls gt_enter(parent, number) of apps/truth.c, which logs the
call and returns its index, and passes that index to what it calls: the k-th entry event of a trace
is the k-th gt_enter, and the log says who its parent is. What returns normally calls gt_leave.

The programs are made of what makes call trees hard to follow from hooks: functions that are always,
sometimes or never inlined (the instrumentation of inlined ones runs in their caller's frame), called
in loops and from both branches, recursion, calls through pointers from one call site, alloca (stack
pointers that move), and ways to leave frames without returning:

    plain   none                     C and C++ (with destructors that call)
    exc     exceptions, rethrown and replaced, through frames with and without destructors    C++
    lj      longjmp to a frame near or far, setjmp in loops                                   C and C++
    mix     exceptions and longjmp in one program, in frames without destructors              C++
"""

import random

VARIANTS = (("plain", "c"), ("plain", "cpp"), ("exc", "cpp"), ("lj", "c"), ("lj", "cpp"),
            ("mix", "cpp"))

MAIN, DESTRUCTOR = 1000, 1001  # numbers of functions; the others are f0, f1, ...

_HEAD = """\
#include <alloca.h>
#include <setjmp.h>
#include <stdlib.h>
#ifdef __cplusplus
#define C extern "C"
#else
#define C
#endif
C long gt_enter(long parent, int number);
C void gt_leave(long me);
#define UNTRACED __attribute__((no_instrument_function))
#define NOINLINE __attribute__((noinline))
#define INLINE inline __attribute__((always_inline))
static unsigned state = %d;
static jmp_buf *target;  /* the innermost setjmp that is still good */
static long budget;      /* of calls, for one call from main */
volatile int sink;
static UNTRACED NOINLINE unsigned rnd(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}
static UNTRACED void use(volatile char *p) { *p = 1; }
"""

# Leaves by destructor, so that the log has its end also when an exception passes.
_GUARD = """\
struct Guard {
  long me;
  UNTRACED INLINE Guard(long m) : me(m) {}
  UNTRACED INLINE ~Guard() { gt_leave(me); }
};
"""

# A destructor that is itself a traced call, made while unwinding as well.
_DESTRUCTOR = """\
struct Scope {
  long me;
  UNTRACED INLINE Scope(long m) : me(m) {}
  NOINLINE ~Scope();
};
Scope::~Scope() {
  long m = gt_enter(me, %d);
  volatile char pad[200];
  pad[3] = 1;
  sink = pad[3];
  gt_leave(m);
}
""" % DESTRUCTOR


class Generator:
    def __init__(self, seed, mode, language):
        assert (mode, language) in VARIANTS
        self.random = random.Random(f"{seed}-{mode}-{language}")
        self.cxx = language == "cpp"
        self.throws = mode in ("exc", "mix")
        self.jumps = mode in ("lj", "mix")
        self.destructors = self.cxx and not self.jumps  # a longjmp over one is undefined
        self.guarded = self.destructors and seed % 2 == 0
        self.count = self.random.randint(12, 24)
        self.linkage = [self.random.choice(("noinline", "noinline", "plain", "plain", "inline",
                                            "inline", "static", "static"))
                        for _ in range(self.count)]
        self.seed = seed

    def source(self):
        parts = [_HEAD % (self.seed * 2654435761 % 2**31)]
        if self.guarded:
            parts.append(_GUARD)
        if self.destructors:
            parts.append(_DESTRUCTOR)
        parts += [self._signature(i) + ";\n" for i in range(self.count)]
        parts += [self._function(i) for i in range(self.count)]
        parts.append(self._main())
        return "".join(parts)

    def names(self):
        """{number: the function's name, as nm -C prints it without arguments}"""
        names = {i: f"f{i}" for i in range(self.count)}
        return names | {MAIN: "main", DESTRUCTOR: "Scope::~Scope"}

    def _chance(self, probability):
        return self.random.random() < probability

    def _signature(self, i):
        prefix = {"noinline": "C NOINLINE", "plain": "C", "inline": "static INLINE",
                  "static": "static"}[self.linkage[i]]
        return f"{prefix} int f{i}(int d, long parent)"

    def _call(self, i, near=True):
        """A call of a later function (so that only recursion() recurses), as an expression."""
        later = range(i + 1, min(i + 7, self.count) if near else self.count)
        return f"f{self.random.choice(later)}(d, me)"

    def _leave(self):
        return "" if self.guarded else "gt_leave(me); "

    def _function(self, i):
        lines = [self._signature(i) + " {", f"long me = gt_enter(parent, {i});", "int x = d;"]
        if self.guarded:
            lines.append("Guard guard(me);")
        if self.destructors and self._chance(.3):
            lines.append("Scope scope(me);")
        lines.append("if (--budget < 0) { " + self._leave() + "return 1; }")
        for _ in range(self.random.randint(1, 3)):
            lines.append(self._statement(i))
            if self._chance(.25):
                lines.append(self._departure(8))
        if i >= self.count - 4:  # the leaves of the call graph: far from whoever catches
            lines.append(self._departure(5))
        lines += [self._leave() + "return x;", "}"]
        return "\n  ".join(line for line in lines[:-1] if line) + "\n}\n"

    def _statement(self, i):
        if i + 1 >= self.count:
            return "sink = x;"
        makers = [(30, self._plain_call), (12, self._loop), (8, self._branch), (8, self._alloca),
                  (10, self._pointers)]
        if self.linkage[i] != "inline":  # gcc refuses to inline what is recursive or calls setjmp
            makers.append((8, self._recursion))
            if self.jumps:
                makers.append((18, self._setjmp))
        if self.throws:
            makers.append((18, self._try))
        weights, functions = zip(*makers)
        return self.random.choices(functions, weights)[0](i)

    def _plain_call(self, i):
        return f"x += {self._call(i)};"

    def _loop(self, i):
        return f"for (int i = 0; i < {self.random.randint(2, 4)}; i++) x += {self._call(i)};"

    def _branch(self, i):
        bit = self.random.choice((1, 2, 4))
        return f"if (x & {bit}) x += {self._call(i)}; else x += {self._call(i)};"

    def _alloca(self, i):
        return ("{ char *p = (char *)alloca(16 + (x & 63)); use(p); "
                f"x += {self._call(i)}; }}")

    def _pointers(self, i):
        """Three functions through a table in a loop: one call site, several functions."""
        table = ", ".join(self._call(i, near=False).split("(")[0] for _ in range(3))
        body = "x += table[i % 3](d, me);"
        if self.throws:
            body = self._caught(body)
        return ("{ static int (*const volatile table[3])(int, long) = {" + table + "}; "
                f"for (int i = 0; i < {self.random.randint(3, 6)}; i++) {{ {body} }} }}")

    def _recursion(self, i):
        body = f"if (d > 0) x += f{i}(d - 1, me);"
        if self.throws and self._chance(.6):
            return self._caught(body)
        if self.jumps and self._chance(.6):
            return self._landing(body, "", 1)
        return body

    def _try(self, i):
        body = f"x += {self._call(i)};"
        if self._chance(.4):
            body += f" x += {self._call(i)};"
        handler = f"x += {self._call(i)};" if self._chance(.3) else ""
        if self._chance(.15):
            handler += " if (rnd() % 4 == 0) throw;"
        elif self._chance(.15):
            handler += " if (rnd() % 4 == 0) throw e + 1;"
        return self._caught(body, handler)

    def _caught(self, body, handler=""):
        # The setjmp targets below the catching frame are gone. None at all while the handler runs:
        # a longjmp out of it would leave the exception alive.
        if not self.jumps:
            return f"try {{ {body} }} catch (int e) {{ x += e & 3; {handler} }}"
        return (f"{{ jmp_buf *keep = target; try {{ {body} }} catch (int e) {{ target = 0; "
                f"x += e & 3; {handler} target = keep; }} }}")

    def _setjmp(self, i):
        body = f"x += {self._call(i)};"
        if self._chance(.5):
            functions = ", ".join(self._call(i, near=False).split("(")[0] for _ in range(2))
            body = ("{ static int (*const volatile table[2])(int, long) = {" + functions + "}; "
                    "x += table[turn & 1](d, me); }")
        after = f"x += {self._call(i)};" if self._chance(.3) else ""
        return self._landing(body, after, self.random.randint(1, 3))

    @staticmethod
    def _landing(body, after, turns):
        """What changes between setjmp and longjmp is volatile, or it would be indeterminate."""
        return (f"{{ jmp_buf here, *old = target; volatile int kept = x; volatile long turn; "
                f"for (turn = 0; turn < {turns}; turn++) {{ target = &here; "
                f"if (!setjmp(here)) {{ x = kept; {body} kept = x; }} "
                f"else {{ x = kept; target = old; {after} kept = x; }} target = old; }} x = kept; }}")

    def _departure(self, odds):
        """Now and then, leaves without returning."""
        ways = []
        if self.throws:
            ways.append(f"if (rnd() % {odds} == 0) throw 3;")
        if self.jumps:
            ways.append(f"if (target && rnd() % {odds} == 0) "
                        "{ jmp_buf *to = target; longjmp(*to, 1); }")
        return self.random.choice(ways) if ways else ""

    def _main(self):
        lines = ["int main(void) {", f"long me = gt_enter(0, {MAIN});", "int x = 0;",
                 "for (int k = 0; k < 40; k++) {", "budget = 200;"]
        for start, depth in ((0, 3), (1, 1)):
            call = f"x += f{start}({depth}, me);"
            lines += ["target = 0;", f"try {{ {call} }} catch (int e) {{ x += e; }}"
                      if self.throws else call]
        lines += ["}", "sink = x;", "gt_leave(me);", "return 0;"]
        return "\n  ".join(lines) + "\n}\n"
