# gzip
# needs: gzip
seq 100000 >n
gzip -nk9 n
sha256sum n.gz
zcat n.gz | cmp - n
gzip -l n.gz | tail -1
gzip -t n.gz
head -c 500 n.gz >b.gz
gunzip -c b.gz | wc -c
zgrep -c 99 n.gz
echo x | gzip -d
echo $?
