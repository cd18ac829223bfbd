# php
# needs: php
php -r '$s = 0; for ($i = 0; $i < 200000; $i++) $s += $i % 7; echo $s, "\n"; echo md5(serialize(range(1, 999))), "\n"; echo shell_exec("echo sub"); $p = proc_open("cat; exit 3", [["pipe", "r"], ["pipe", "w"]], $io);
fwrite($io[0], "in\n"); fclose($io[0]); echo stream_get_contents($io[1]); echo proc_close($p), "\n"; echo json_encode(["a" => null]), preg_replace("/\d+/", "N", "a1b22"), "\n"; try { intdiv(1, 0); } catch (Error $e) { echo $e->getMessage(), "\n"; } exit(6);'
echo $?
php -S 127.0.0.1:8701 -t . >/dev/null 2>&1 &
echo '<?php echo "page ", $_GET["n"] ?? "", "\n"; if (isset($_GET["e"])) { http_response_code(503); }' >i.php
for _ in $(seq 100); do
  curl -s 127.0.0.1:8701/i.php >/dev/null && break
  sleep 0.05
done
curl -s '127.0.0.1:8701/i.php?n=1' '127.0.0.1:8701/i.php?n=2'
curl -s -o /dev/null -w '%{http_code}\n' '127.0.0.1:8701/i.php?e=1'
kill %1
wait
