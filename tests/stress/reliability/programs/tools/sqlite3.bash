# sqlite3
# needs: sqlite3
sqlite3 d.db "create table t(i integer primary key, s text); with recursive c(n) as (select 1 union all select n+1 from c where n < 20000)
insert into t select n, hex(n*n) from c; create index x on t(s); select count(*), sum(length(s)) from t; pragma integrity_check;"
sqlite3 d.db "pragma journal_mode=wal; begin; delete from t where i % 3 = 0; commit; vacuum; select s from t order by s limit 3; explain query plan select * from t where s > 'A'"
sqlite3 d.db .dump | md5sum
sqlite3 d.db 'select nonsense'
echo $?
sqlite3 -json :memory: 'select 1 a, null b'
echo '.shell exit 3' | sqlite3
