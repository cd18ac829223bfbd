# expect
# needs: expect
expect -c 'log_user 0; spawn bash --norc -c {read -p "name? " n; echo hi $n; stty size; exit 6}; expect "name? "; send "you\r"; expect "hi you"; puts ok; expect eof
  lassign [wait] p s o v; puts $v'
expect -c 'spawn -noecho cat; send "a\003"; expect eof; puts end' | tr -d '\r'
