# pipelines
# needs: tr grep sort
for i in 1 2 3 4 5; do
  seq $((i * 1000)) | sed 's/7/seven/g' | grep -v 3 | awk '{ s += length($0) } END { print s }' | tee -a all |
    xargs -n1 expr 1 +
  echo "${PIPESTATUS[*]}"
done
cat all | sort | uniq -c | sort -rn
seq 100000 | head -1
yes | true
echo "${PIPESTATUS[*]}"
(
  seq 100000
  echo end
) | {
  read -r a
  echo "$a"
}
set -o pipefail
seq 100000 | head -1 >/dev/null
echo $?
