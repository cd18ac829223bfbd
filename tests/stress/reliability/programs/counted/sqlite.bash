# sqlite (telcc)
# P: what was built
{
  echo 'create table t(i integer primary key, s text); begin;'
  for i in $(seq 60); do echo "insert into t values($i, hex($i * 7919 % 1000));"; done
  echo 'commit; create index x on t(s);'
} >s.sql
$P -batch -init /dev/null d.db <s.sql
$P -batch -init /dev/null d.db 'select count(*), min(s) from t; select s, count(*) from t group by substr(s, 1, 2) order by 2 desc limit 3; pragma integrity_check' .schema
$P -batch -init /dev/null d.db 'select nonsense'
echo $?
echo 'select 1; .exit 4' | $P -batch -init /dev/null :memory:
$P -batch -init /dev/null :memory: 'select 1' '.exit 5'
echo $?
