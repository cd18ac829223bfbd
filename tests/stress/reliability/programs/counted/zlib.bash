# zlib (telcc)
# P: what was built
seq 3000 >n
$P/minigzip <n >n.gz
md5sum n.gz
$P/minigzip -d <n.gz | cmp - n && echo same
$P/example | tail -3
LD_LIBRARY_PATH=$P $P/examplesh >/dev/null
echo $?
head -c 900 n.gz | $P/minigzip -d | wc -c
echo "${PIPESTATUS[1]}"
