# bash
# needs: bash
diff <(seq 3) <(seq 2 4)
coproc cat
echo hey >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "$line"
kill "$COPROC_PID"
wait 2>/dev/null
exec {fd}>file
echo x >&$fd
cat file
trap 'echo usr' USR1
kill -USR1 $$
f() {
  local n=$1
  [ "$n" -lt 1 ] || f $((n - 1))
}
f 200
for i in $(seq 150); do (exit $((i % 3))) || s=$((s + $?)); done
echo $s
declare -A m
for i in {1..500}; do m[k$i]=$i; done
echo ${#m[@]}
mapfile -t a < <(seq 1000)
echo "${a[999]}"
printf -v b %q "it's"
echo "$b"
[[ foo123 =~ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
set -e
(exit 7)
echo never
