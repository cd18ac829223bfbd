# yaml-cpp (telcc)
# P: what was built
for i in $(seq 3); do
  printf 'a: %d\nb: [1, 2, {c: d}]\nt: "x\\ty"\n' $i
  echo '---'
done >y
$P <y | md5sum
printf 'a: [1, 2\nb: }' | $P
echo $?
printf '%%YAML 9\n--- *x' | $P
echo $?
printf 'k: |\n  text\n  more\n' | $P
