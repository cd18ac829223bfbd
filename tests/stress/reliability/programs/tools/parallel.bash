# parallel
# needs: parallel
export PARALLEL_HOME=$PWD/.p
mkdir .p
: >.p/will-cite
seq 30 | parallel -k -j4 'echo {} $(( {} * {} ))'
parallel -j3 'exit {}' ::: 0 1 2
echo $?
