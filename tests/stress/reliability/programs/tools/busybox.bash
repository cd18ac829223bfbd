# busybox
# needs: busybox
busybox sh -c 'seq 5 | busybox awk "{ s += \$1 } END { print s }"; busybox md5sum /etc/hostname | wc -w; exit 3'
echo $?
busybox nonsense
echo $?
