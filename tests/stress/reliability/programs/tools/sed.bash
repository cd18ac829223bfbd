# sed
# needs: sed
seq 50000 >n
sed -n '$=' n
sed -i 's/\([0-9]\)\1/<\1>/g' n
md5sum n
sed '/9/!d;5q' n
sed -n 'N;N;s/\n/+/g;p' n | head -3
sed 's/x/(/' -e broken n
echo $?
