# strace
# needs: strace
strace -f -qq -e trace=none -e signal=none sh -c 'echo in; (exit 3)'
echo $?
strace -c -o s true
wc -l <s | tr 0-9 N
strace -qq -e trace=none none
echo $?
