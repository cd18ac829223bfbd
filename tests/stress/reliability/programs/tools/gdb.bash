# gdb
# needs: gdb
gdb -nx -batch -ex 'set confirm off' -ex 'set debuginfod enabled off' -ex run -ex 'p $_exitcode' --args /bin/sh -c 'echo inside; exit 3' 2>&1 | grep -v -e warning -e '^\[' -e Using -e download
sleep 9 &
gdb -nx -batch -p $! -ex 'detach' >/dev/null 2>&1
echo $?
kill %1
wait
