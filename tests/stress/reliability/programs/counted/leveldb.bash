# leveldb
# P: what was built
"$P"/b/leveldb_work db 60
echo $?
"$P"/b/leveldb_work /dev/null/db 1
echo $?
