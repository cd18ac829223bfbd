# postgres
# needs: setpriv /usr/lib/postgresql/15/bin/initdb /usr/lib/postgresql/15/bin/postgres
export PATH=$PATH:/usr/lib/postgresql/15/bin
mkdir d
chown nobody d /tmp/work
n() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp/work "$@"; }
n initdb -D d -U u --no-sync -E UTF8 --locale=C >init.log 2>&1 || cat init.log
n pg_ctl -s -D d -l log -o '-h 127.0.0.1 -p 5432 -k /tmp/work -F' -w start
q() { n psql -h 127.0.0.1 -U u -X -q -At postgres "$@"; }
q -c "create table t(i int primary key, s text)" -c "insert into t select n, md5(n::text) from generate_series(1, 5000) n" -c "create index on t(s)" -c "select count(*), min(s) from t" -c "begin; delete from t where i % 2 = 0; rollback" -c "vacuum analyze t" -c "select sum(i) from t"
for i in 1 2 3; do q -c "select pg_sleep(0.05), count(*) from t a join t b using (i) where a.s > 'a'" & done
wait
q -c 'select nonsense'
echo $?
n pg_dump -h 127.0.0.1 -U u postgres | grep -c '^[0-9]'
q -c "do \$\$ begin raise notice 'hi'; perform 1/0; exception when division_by_zero then raise notice 'div'; end \$\$"
n pg_ctl -s -D d -m fast -w stop
grep -c -E 'PANIC|crash' log
rm -rf d log init.log .psql_history
chown root /tmp/work
