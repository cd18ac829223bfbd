# clang
# needs: clang
c_source

for o in -O0 -O2; do
  clang $o -o a a.c && ./a
  echo $?
done
clang -Wall -fsyntax-only -x c - <<<'int f(void) { int unused; }'
clang -emit-llvm -S -o - a.c | grep -c define
clang -c missing.c
echo $?
