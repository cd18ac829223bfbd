# find and xargs
# needs: find xargs
mkdir -p t/{a,b,c}/{1,2,3,4,5}
for d in t/*/*; do
  seq 30 >"$d/f.txt"
  : >"$d/e"
done
find t -type f -size +0 | sort | xargs wc -l | tail -1
find t -name e -delete
find t -name '*.txt' -newer t | wc -l
find t -name '*.txt' -print0 | sort -z | xargs -0 -P4 -n2 cksum | sort | md5sum
find t -maxdepth 1 -type d -exec sh -c 'echo "$0 $#"' {} +
find t/none
find t -empty -o -name 3 | sort
seq 40 | xargs -P8 -I{} sh -c 'exit $(( {} % 3 ))'
echo $?
