# mariadb
# needs: mariadbd mariadb mariadb-install-db
mariadb-install-db --no-defaults --datadir=$PWD/d --user=root --auth-root-authentication-method=normal --skip-test-db >i.log 2>&1 || tail -5 i.log
mariadbd --no-defaults --datadir=$PWD/d --user=root --socket=$PWD/s --skip-networking --pid-file=$PWD/p --innodb-buffer-pool-size=16M --innodb-flush-log-at-trx-commit=0 --log-error=$PWD/log &
q() { mariadb --no-defaults -u root -S $PWD/s -N "$@"; }
for _ in $(seq 300); do
  q -e 'select 1' >/dev/null 2>&1 && break
  sleep 0.05
done
q -e "create database b; use b; create table t(i int primary key, s char(40)) engine=innodb; insert into t select seq, sha1(seq) from seq_1_to_3000; select count(*), min(s) from t; start transaction; delete from t; rollback; select sum(i) from t"
q -e 'select nonsense'
echo $?
q -e shutdown
wait %1
echo $?
rm -rf d i.log log
