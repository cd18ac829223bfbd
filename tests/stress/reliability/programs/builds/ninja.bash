# ninja
# needs: ninja gcc
c_source

{
  echo 'rule cc'
  echo ' command = gcc -MD -MF $out.d -c -DN=$n -o $out $in'
  echo ' depfile = $out.d'
  echo ' deps = gcc'
  echo 'rule bad'
  echo ' command = sh -c "echo failing; exit 3"'
  for i in $(seq 8); do
    echo "build o$i.o: cc a.c"
    echo " n = $i"
  done
  echo 'build x: bad'
  echo 'default o1.o o2.o o3.o o4.o o5.o o6.o o7.o o8.o'
} >build.ninja
ninja -j3 >/dev/null
echo $?
ninja
ninja -t targets all | sort | wc -l
ninja x | grep -v '^\['
echo "${PIPESTATUS[0]}"
rm o3.o
ninja -n | grep -c '^\['
rm .ninja_log .ninja_deps
