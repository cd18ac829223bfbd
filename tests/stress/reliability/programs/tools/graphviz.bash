# graphviz
# needs: dot
{
  echo 'digraph g {'
  for i in $(seq 30); do echo "n$((i % 11)) -> n$((i % 7))"; done
  echo '}'
} >g.dot
dot -Tplain g.dot | md5sum
dot -Tsvg g.dot | grep -c '<g'
echo 'digraph {' | dot
echo $?
