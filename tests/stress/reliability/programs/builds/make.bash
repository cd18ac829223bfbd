# make
# needs: make gcc
c_source

cat >Makefile <<'E'
parts := $(shell seq 12)
all: $(parts:%=p%.txt) a ; @cat p*.txt | md5sum; ./a || echo status $$?
p%.txt: ; @seq $* 300 >$@
a: a.c ; @gcc -o $@ $<
bad: ; @exit 4
rec: ; @$(MAKE) --no-print-directory -j2 all
E
make -j4 -s
make -s rec
make -k bad nothing
echo $?
make -q
echo $?
touch a.c
make -n a
