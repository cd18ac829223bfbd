# pigz
# needs: pigz
seq 400000 >n
pigz -n -p4 -k n
sha256sum n.gz
unpigz -c n.gz | cmp - n
pigz -t n.gz
head -c 999 n.gz | pigz -dc | wc -c
echo $?
