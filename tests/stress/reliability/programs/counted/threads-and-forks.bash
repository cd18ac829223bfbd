# threads and forks (telcc)
# P: what was built
$P 4 3 500
echo $?
$P 2 0 4000
echo $?
$P 1 12 50
echo $?
