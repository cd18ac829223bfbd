# file
# needs: file
file -b /bin/ls | cut -d, -f1-2
seq 9 | gzip -n >g.gz
file -b g.gz | cut -d, -f1
file -b --mime-type /etc/passwd /dev/null /etc
file missing
echo $?
