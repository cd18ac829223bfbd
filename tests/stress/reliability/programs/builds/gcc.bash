# gcc
# needs: gcc
c_source

for o in -O0 -O2 '-O2 -flto' '-pipe -g'; do
  gcc $o -o a a.c && ./a
  echo $?
done
gcc -S -o - a.c | grep -c call
gcc -c missing.c
echo $?
echo 'int f( { }' | gcc -x c -c -
echo $?
objdump -d a | grep -c main
nm a | grep -c ' T '
