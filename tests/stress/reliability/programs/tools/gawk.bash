# gawk
# needs: gawk
seq 30000 | gawk '{ a[$1 % 97] += $1 } END { n = asorti(a, b); for (i = 1; i <= 5; i++) print b[i], a[b[i]]
  print gensub(/(.)(.)/, "\\2\\1", "g", "abcd"), strftime("%Y", 0, 1); "date -u -d @0 +%F" |& getline d; print d }'
gawk 'BEGIN { nonsense('
echo $?
