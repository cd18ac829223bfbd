# groff
# needs: groff
{
  echo '.TH A 1'
  for i in $(seq 200); do
    echo ".SH S$i"
    echo "word \\fBbold\\fR $i"
  done
} >a.1
groff -Tascii -man a.1 | md5sum
groff -Tps -man a.1 | grep -c showpage
echo .so none | groff -Tascii
