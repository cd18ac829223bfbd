# jq
# needs: jq
seq 2000 | jq -c '{n: ., s: (. * . | tostring), odd: (. % 2 == 1)}' >j
jq -s 'map(select(.odd)) | length' j
jq -s 'group_by(.n % 7) | map({k: (.[0].n % 7), sum: (map(.n) | add)})' j
jq -r '[.n, .s] | @csv' j | md5sum
jq -n '[limit(9; repeat(1))]'
jq '.[' j
echo $?
echo '{' | jq .
echo $?
jq -n 'input'
jq -en 'null'
echo $?
