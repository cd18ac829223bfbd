# grep
# needs: grep
seq 200000 >n
grep -c 77 n
grep -E '^(1|2)0+$' n
grep -P '(?<=9)8(?=7)' n | wc -l
grep -rn 199999 .
grep -q zzz n
echo $?
grep -z x n | wc -c
grep -m3 -b 5 n
grep -f <(seq 3 5) -x n
grep x missing
echo $?
