# re2 (telcc)
# P: what was built
for t in charclass required_prefix; do
  $P/obj/test/${t}_test | tail -1
  echo "${PIPESTATUS[0]}"
done
