# binutils
# needs: as ld ar objcopy
c_source

gcc -g -c a.c
ar rcsD l.a a.o
ar t l.a
ranlib -D l.a
nm l.a | grep -c main
ld -r -o r.o a.o
readelf -h r.o | grep Type
objcopy --strip-debug a.o s.o
size s.o | wc -l
strings -n 4 a.o | grep -c main
addr2line -fe a.o 0 | head -1
as -o x.o <<<'bogus %eax'
echo $?
