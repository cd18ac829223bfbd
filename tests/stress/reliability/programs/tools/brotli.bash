# brotli
# needs: brotli
seq 60000 >n
brotli -q 6 -k n
sha256sum n.br
brotli -dc n.br | cmp - n
head -c 99 n.br | brotli -dc | wc -c
echo $?
