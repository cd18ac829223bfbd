# ksh and tcsh
# needs: ksh tcsh
ksh -c 'typeset -i n=0; while ((n < 500)); do ((n++)); done; print $n; print a b | read x y; print $y; exit 2'
echo $?
tcsh -f -c 'set a = (1 2 3); foreach i ($a); echo $i; end; exit 3'
echo $?
