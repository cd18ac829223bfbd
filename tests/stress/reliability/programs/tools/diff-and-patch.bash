# diff and patch
# needs: diff patch
seq 500 >a
sed '30d;60s/$/x/;90i new' a >b
diff -u --label a --label b a b >p
echo $?
cat p
patch -s a p
cmp a b && echo same
diff3 a b a
patch -s --dry-run a p
echo $?
diff -y -W 40 <(seq 3) <(seq 2 4)
cmp a p
sdiff -s <(seq 5) <(seq 6)
