# vim
# needs: vim
seq 3000 >n
vim -es -u NONE -n -c '%s/9/nine/g' -c 'g/5/d' -c 'normal Gohello' -c 'r !echo shell' -c 'wq' n </dev/null
md5sum n
tail -2 n
vim -es -u NONE -n -c 'call writefile([string(range(5)), system("echo x")], "o")' -c 'cq 4' </dev/null
echo $?
cat o
