# valgrind
# needs: valgrind gcc
c_source

# Debian's valgrind does not know pidfd_open and says so on standard error: docs/reliability.md.
v() {
  valgrind -q "$@" 2>err
  echo $?
  grep -v -e '^--.*unhandled amd64-linux syscall: 434' -e '^--[0-9]*-- \(You may be\|Read the file\|Nevertheless\|it at\)' err
  : >err
}
gcc -g -o a a.c
v --error-exitcode=9 ./a
v --tool=none sh -c 'exit 5'
